/* bill.h - the verbs of millrace bill; each takes the arguments behind its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_BILL_H
#define MILLRACE_TOOLS_BILL_H

#include <glib.h>

int bill_check_prices_main(int argc, char **argv);
int bill_run_main(int argc, char **argv);
int bill_close_main(int argc, char **argv);
int bill_explain_main(int argc, char **argv);
int bill_diff_main(int argc, char **argv);
int bill_verify_main(int argc, char **argv);
int bill_show_main(int argc, char **argv);
int bill_export_main(int argc, char **argv);
int bill_stat_main(int argc, char **argv);

/* What the verbs that read a store have in common. */
typedef struct {
    char **stores;
    char *memory;
    char *scratch;
    int threads;
} BillScanOptions;
#define BILL_SCAN_OPTIONS(options)                                                                 \
    {"store",                                                                                      \
     0,                                                                                            \
     0,                                                                                            \
     G_OPTION_ARG_FILENAME_ARRAY,                                                                  \
     &(options).stores,                                                                            \
     "A batch store; may be repeated",                                                             \
     "DIR"},                                                                                       \
        {"memory",                                                                                 \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).memory,                                                                        \
         "What a rank may take, all in all (1Gi)",                                                 \
         "SIZE"},                                                                                  \
        {"scratch",                                                                                \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).scratch,                                                                       \
         "Where to spill what is more (TMPDIR or /tmp)",                                           \
         "DIR"},                                                                                   \
    {                                                                                              \
        "threads", 0, 0, G_OPTION_ARG_INT, &(options).threads,                                     \
            "Threads of a node, shared by its ranks (its cores)", "N"                              \
    }
void bill_scan_options_clear(BillScanOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BillScanOptions, bill_scan_options_clear)
/* Checks them. Returns FALSE and MILLRACE_ERROR_USAGE. */
gboolean bill_scan_options_check(const BillScanOptions *options, guint64 *memory_bytes,
                                 GError **error);

#endif
