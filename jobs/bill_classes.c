/* bill_classes.c - names of classes by an Interner; within a block, by the codes of the texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_classes.h"

#include <string.h>

#include "formats/usage.h"
#include "jobs/interner.h"

enum { NAMES_MAX_BYTES = 16 << 20, PARTS = 4, PLACES_MAX = 4096 };
#define NOT_FOUND G_MAXUINT32

static const SegmentColumn columns[PARTS] = {SEGMENT_TYPE, SEGMENT_OP, SEGMENT_FORMAT,
                                             SEGMENT_STATUS};

struct _BillClasses {
    void (*class_new)(gpointer data, ScanClass *class);
    gpointer data;
    Interner *names;    /* type NUL op NUL format NUL status */
    GPtrArray *classes; /* owns ScanClass */
    GString *name;
    guint32 found[PLACES_MAX]; /* of the block at hand, by its codes */
};

static void
class_free(gpointer data)
{
    ScanClass *class = data;

    g_free(class->note);
    g_free(class);
}

BillClasses *
bill_classes_new(void (*class_new)(gpointer data, ScanClass *class), gpointer data)
{
    BillClasses *classes = g_new0(BillClasses, 1);

    classes->class_new = class_new;
    classes->data = data;
    classes->names = interner_new();
    classes->classes = g_ptr_array_new_with_free_func(class_free);
    classes->name = g_string_new(NULL);
    return classes;
}

void
bill_classes_free(BillClasses *classes)
{
    interner_free(classes->names);
    g_ptr_array_unref(classes->classes);
    g_string_free(classes->name, TRUE);
    g_free(classes);
}

static guint32
find_class(BillClasses *classes, const SegmentTexts *const *texts, guint32 row)
{
    const char *names[PARTS];

    g_string_truncate(classes->name, 0);
    for (guint i = 0; i < PARTS; i++) {
        guint32 code = texts[i]->codes[row];
        names[i] = texts[i]->values[code];
        g_string_append_len(classes->name, names[i], (gssize)texts[i]->size_bytes[code] + 1);
    }
    guint32 number = interner_add(classes->names, classes->name->str, classes->name->len);
    if (number == classes->classes->len) {
        ScanClass *class = g_new0(ScanClass, 1);
        *class = (ScanClass){g_intern_string(names[0]),
                             g_intern_string(names[1]),
                             g_intern_string(names[2]),
                             g_intern_string(names[3]),
                             strcmp(names[3], USAGE_STATUS_OK) == 0,
                             NULL};
        if (classes->class_new)
            classes->class_new(classes->data, class);
        g_ptr_array_add(classes->classes, class);
    }
    return number;
}

/* There are few classes in a block, so each is looked up once, and found by its codes from then on.
 */
static void
number_by_codes(BillClasses *classes, const SegmentTexts *const *texts, guint32 count,
                guint32 *numbers)
{
    guint32 ops = texts[1]->value_count;
    guint32 formats = texts[2]->value_count;
    guint32 statuses = texts[3]->value_count;

    memset(classes->found, 0xff, sizeof classes->found);
    for (guint32 row = 0; row < count; row++) {
        guint32 place =
            ((texts[0]->codes[row] * ops + texts[1]->codes[row]) * formats + texts[2]->codes[row]) *
                statuses +
            texts[3]->codes[row];
        if (classes->found[place] == NOT_FOUND)
            classes->found[place] = find_class(classes, texts, row);
        numbers[row] = classes->found[place];
    }
}

gboolean
bill_classes_number(BillClasses *classes, SegmentBlock *block, guint32 *numbers)
{
    const SegmentTexts *texts[PARTS];
    guint32 count = segment_block_count(block);
    guint64 places = 1;

    for (guint i = 0; i < PARTS; i++) {
        texts[i] = segment_block_texts(block, columns[i]);
        places = MIN(places, PLACES_MAX + 1) * texts[i]->value_count;
    }
    if (places <= PLACES_MAX)
        number_by_codes(classes, texts, count, numbers);
    else
        for (guint32 row = 0; row < count; row++)
            numbers[row] = find_class(classes, texts, row);
    return classes->classes->len <= BILL_CLASSES_MAX &&
           interner_size(classes->names) <= NAMES_MAX_BYTES;
}

guint32
bill_classes_count(const BillClasses *classes)
{
    return classes->classes->len;
}

const ScanClass *
bill_classes_get(const BillClasses *classes, guint32 number)
{
    return classes->classes->pdata[number];
}
