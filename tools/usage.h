/* usage.h - the verbs of millrace usage. Each takes its own arguments, the first of which is its
 * name, and returns the exit code.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_USAGE_H
#define MILLRACE_TOOLS_USAGE_H

int usage_ingest_main(int argc, char **argv);
int usage_cat_main(int argc, char **argv);
int usage_stat_main(int argc, char **argv);
int usage_seal_main(int argc, char **argv);
int usage_sync_main(int argc, char **argv);

#endif
