/* pricebook_prices.c - SKUs and the versions of their prices.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/pricebook_internal.h"

#define DIVISOR_MAX G_GINT64_CONSTANT(1000000000000000000)

/* Indexed by PriceModel. */
static const char *const model_names[] = {"per_unit", "graduated", "volume",
                                          "package",  "flat",      NULL};
static const char *const model_members[][8] = {
    [PRICE_PER_UNIT] = {"from", "to", "model", "free", "unit_price", NULL},
    [PRICE_GRADUATED] = {"from", "to", "model", "free", "tiers", NULL},
    [PRICE_VOLUME] = {"from", "to", "model", "free", "tiers", NULL},
    [PRICE_PACKAGE] = {"from", "to", "model", "free", "package_size", "package_price", NULL},
    [PRICE_FLAT] = {"from", "to", "model", "amount", NULL},
};

/* What can be metered. */
static const struct {
    const char *name;
    SegmentColumn column;
} quantities[] = {
    {"count", SEGMENT_COLUMNS},         {"bytes_in", SEGMENT_BYTES_IN},
    {"bytes_out", SEGMENT_BYTES_OUT},   {"pixels_in", SEGMENT_PIXELS_IN},
    {"pixels_out", SEGMENT_PIXELS_OUT}, {"cpu_us", SEGMENT_CPU_US},
    {"wall_us", SEGMENT_WALL_US},
};

const char *
price_model_name(PriceModel model)
{
    return model_names[model];
}

/* Words of the lines of a statement that belong to no SKU. */
static gboolean
is_reserved(const char *name)
{
    return strcmp(name, "discount") == 0 || strcmp(name, "true-up") == 0 ||
           strcmp(name, "rounding") == 0 || g_str_has_prefix(name, "credit:");
}

static gboolean
read_unit_price(BookReader *reader, const JsonObject *object, gint64 up_to, GArray *tiers)
{
    PriceTier tier = {.up_to = up_to};
    if (!book_decimal(reader, object, "unit_price", MONEY_PICO_DIGITS, &tier.unit_price_pico))
        return FALSE;
    g_array_append_val(tiers, tier);
    return TRUE;
}

/* Reads one tier; above: where the one before it ends. */
static gboolean
read_tier(BookReader *reader, const JsonObject *object, gboolean last, gint64 divisor, gint64 above,
          GArray *tiers)
{
    static const char *const known[] = {"up_to", "unit_price", NULL};
    gint64 up_to = G_MAXINT64;
    if (object == NULL)
        return book_fail(reader, "expected an object");
    if (!book_check_members(reader, object, known))
        return FALSE;
    gboolean open = json_object_has(object, "up_to") && book_is_null(object, "up_to");
    if (last && !open)
        return book_fail_member(reader, "up_to", "expected null, because it is the last tier");
    if (!last && open)
        return book_fail_member(reader, "up_to", "only the last tier may be open");
    if (!open && !book_units(reader, object, "up_to", divisor, &up_to))
        return FALSE;
    if (up_to <= above)
        return book_fail_member(reader, "up_to", "expected more than the tier before ends at");
    return read_unit_price(reader, object, up_to, tiers);
}

static gboolean
read_tiers(BookReader *reader, const JsonObject *object, gint64 divisor, GArray *tiers)
{
    g_autoptr(JsonList) list = book_list(reader, object, "tiers");
    if (list == NULL)
        return FALSE;
    gsize count = json_list_length(list);
    if (count > PRICEBOOK_TIERS_MAX)
        return book_fail_member(reader, "tiers", "at most %d", PRICEBOOK_TIERS_MAX);
    gint64 above = 0;
    for (gsize i = 0; i < count; i++) {
        gsize mark = book_enter(reader, "tiers", i);
        g_autoptr(JsonObject) element = json_list_object(list, i);
        if (!read_tier(reader, element, i + 1 == count, divisor, above, tiers))
            return FALSE;
        above = g_array_index(tiers, PriceTier, i).up_to;
        book_leave(reader, mark);
    }
    return TRUE;
}

static gboolean
read_package(BookReader *reader, const JsonObject *object, gint64 divisor, PriceVersion *version)
{
    if (!book_units(reader, object, "package_size", divisor, &version->package_size) ||
        !book_decimal(reader, object, "package_price", MONEY_PICO_DIGITS,
                      &version->package_price_pico))
        return FALSE;
    return version->package_size > 0 || book_fail_member(reader, "package_size",
                                                         "expected more "
                                                         "than 0");
}

/* Reads what belongs to the model. */
static gboolean
read_model(BookReader *reader, const JsonObject *object, gint64 divisor, PriceVersion *version)
{
    if (json_object_has(object, "free") &&
        !book_units(reader, object, "free", divisor, &version->free))
        return FALSE;
    if (version->model == PRICE_PACKAGE)
        return read_package(reader, object, divisor, version);
    if (version->model == PRICE_FLAT)
        return book_decimal(reader, object, "amount", MONEY_PICO_DIGITS,
                            &version->package_price_pico);
    GArray *tiers = g_array_new(FALSE, TRUE, sizeof(PriceTier));
    gboolean read = version->model == PRICE_PER_UNIT
                        ? read_unit_price(reader, object, G_MAXINT64, tiers)
                        : read_tiers(reader, object, divisor, tiers);
    version->tier_count = tiers->len;
    version->tiers = book_keep(reader->book, tiers);
    return read;
}

static gboolean
read_version(BookReader *reader, const JsonObject *object, gint64 divisor, PriceVersion *version)
{
    if (object == NULL)
        return book_fail(reader, "expected an object");
    int model = book_word(reader, object, "model", model_names);
    if (model < 0)
        return FALSE;
    version->model = (PriceModel)model;
    if (!book_check_members(reader, object, model_members[model]) ||
        !book_interval(reader, object, "to", &version->from_us, &version->to_us))
        return FALSE;
    version->from = book_text(reader, object, "from");
    return read_model(reader, object, divisor, version);
}

static gint
compare_versions(gconstpointer a, gconstpointer b)
{
    const PriceVersion *left = a;
    const PriceVersion *right = b;
    return (left->from_us > right->from_us) - (left->from_us < right->from_us);
}

/* Puts versions in order, and refuses a time with two prices. */
static gboolean
order_versions(BookReader *reader, const char *key, GArray *versions)
{
    g_array_sort(versions, compare_versions);
    for (guint i = 1; i < versions->len; i++) {
        const PriceVersion *before = &g_array_index(versions, PriceVersion, i - 1);
        const PriceVersion *after = &g_array_index(versions, PriceVersion, i);
        if (before->to_us > after->from_us)
            return book_fail_member(reader, key,
                                    "the version from %s overlaps that from %s: end it there",
                                    before->from, after->from);
    }
    return TRUE;
}

gboolean
pricebook_read_versions(BookReader *reader, const JsonObject *parent, const char *key,
                        gint64 divisor, const PriceVersion **versions, guint *count)
{
    g_autoptr(JsonList) list = book_list(reader, parent, key);
    if (list == NULL)
        return FALSE;
    if (json_list_length(list) > PRICEBOOK_VERSIONS_MAX)
        return book_fail_member(reader, key, "at most %d versions", PRICEBOOK_VERSIONS_MAX);
    GArray *read = g_array_new(FALSE, TRUE, sizeof(PriceVersion));
    gboolean good = TRUE;
    for (gsize i = 0; good && i < json_list_length(list); i++) {
        gsize mark = book_enter(reader, key, i);
        PriceVersion version = {0};
        g_autoptr(JsonObject) element = json_list_object(list, i);
        good = read_version(reader, element, divisor, &version);
        g_array_append_val(read, version);
        book_leave(reader, mark);
    }
    good = good && order_versions(reader, key, read);
    *count = read->len;
    *versions = book_keep(reader->book, read);
    return good;
}

/* Reads a list of words to match, or NULL when there is none. */
static gboolean
read_filter(BookReader *reader, const JsonObject *meter, const char *key,
            const char *const **filter)
{
    if (!json_object_has(meter, key))
        return TRUE;
    g_autoptr(JsonList) list = book_list(reader, meter, key);
    if (list == NULL)
        return FALSE;
    GArray *words = g_array_new(TRUE, FALSE, sizeof(char *));
    gboolean good = TRUE;
    for (gsize i = 0; good && i < json_list_length(list); i++) {
        const char *word = json_list_string(list, i);
        good = word != NULL;
        if (good) {
            char *kept = g_string_chunk_insert_const(reader->book->strings, word);
            g_array_append_val(words, kept);
        }
    }
    *filter = book_keep(reader->book, words);
    return good || book_fail_member(reader, key, "expected an array of strings");
}

static gboolean
read_quantity(BookReader *reader, const JsonObject *meter, PriceSku *sku)
{
    const char *names[G_N_ELEMENTS(quantities) + 1] = {NULL};
    for (guint i = 0; i < G_N_ELEMENTS(quantities); i++)
        names[i] = quantities[i].name;
    int found = book_word(reader, meter, "quantity", names);
    if (found < 0)
        return FALSE;
    sku->quantity = quantities[found].column;
    sku->quantity_name = quantities[found].name;
    return TRUE;
}

static gboolean
read_meter(BookReader *reader, const JsonObject *object, PriceSku *sku)
{
    static const char *const known[] = {"type", "op", "status", "format", "quantity", NULL};
    g_autoptr(JsonObject) meter = book_object(reader, object, "meter");
    if (meter == NULL)
        return FALSE;
    gsize mark = book_enter(reader, "meter", G_MAXSIZE);
    gboolean good = book_check_members(reader, meter, known) && read_quantity(reader, meter, sku) &&
                    read_filter(reader, meter, "type", &sku->types) &&
                    read_filter(reader, meter, "op", &sku->ops) &&
                    read_filter(reader, meter, "status", &sku->statuses) &&
                    read_filter(reader, meter, "format", &sku->formats);
    book_leave(reader, mark);
    return good;
}

static gboolean
read_unit(BookReader *reader, const JsonObject *object, PriceSku *sku)
{
    static const char *const known[] = {"name", "divisor", NULL};
    g_autoptr(JsonObject) unit = book_object(reader, object, "unit");
    if (unit == NULL)
        return FALSE;
    gsize mark = book_enter(reader, "unit", G_MAXSIZE);
    gboolean good = book_check_members(reader, unit, known) &&
                    (sku->unit = book_text(reader, unit, "name")) != NULL &&
                    book_int(reader, unit, "divisor", 1, DIVISOR_MAX, &sku->divisor);
    book_leave(reader, mark);
    return good;
}

/* Reads one SKU; earlier: those that stand before it. */
static gboolean
read_sku(BookReader *reader, const JsonObject *object, const GArray *earlier, PriceSku *sku)
{
    static const char *const known[] = {"sku", "meter", "unit", "prices", NULL};
    if (object == NULL)
        return book_fail(reader, "expected an object");
    if (!book_check_members(reader, object, known))
        return FALSE;
    sku->name = book_text(reader, object, "sku");
    if (sku->name == NULL)
        return FALSE;
    if (is_reserved(sku->name))
        return book_fail_member(reader, "sku", "\"%s\" has a meaning of its own: take another name",
                                sku->name);
    for (guint i = 0; i < earlier->len; i++)
        if (strcmp(g_array_index(earlier, PriceSku, i).name, sku->name) == 0)
            return book_fail_member(reader, "sku", "\"%s\" is there twice", sku->name);
    return read_meter(reader, object, sku) && read_unit(reader, object, sku) &&
           pricebook_read_versions(reader, object, "prices", sku->divisor, &sku->versions,
                                   &sku->version_count);
}

gboolean
pricebook_read_skus(BookReader *reader, const JsonObject *root)
{
    g_autoptr(JsonList) list = book_list(reader, root, "skus");
    if (list == NULL)
        return FALSE;
    if (json_list_length(list) > PRICEBOOK_SKUS_MAX)
        return book_fail_member(reader, "skus", "at most %d", PRICEBOOK_SKUS_MAX);
    GArray *skus = g_array_new(FALSE, TRUE, sizeof(PriceSku));
    gboolean good = TRUE;
    for (gsize i = 0; good && i < json_list_length(list); i++) {
        gsize mark = book_enter(reader, "skus", i);
        PriceSku sku = {0};
        g_autoptr(JsonObject) element = json_list_object(list, i);
        good = read_sku(reader, element, skus, &sku);
        g_array_append_val(skus, sku);
        book_leave(reader, mark);
    }
    reader->book->sku_count = skus->len;
    reader->book->skus = book_keep(reader->book, skus);
    return good;
}
