/* archive.h - the verbs of millrace archive; each takes the arguments behind its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_ARCHIVE_H
#define MILLRACE_TOOLS_ARCHIVE_H

int archive_keygen_main(int argc, char **argv);
int archive_pack_main(int argc, char **argv);
int archive_list_main(int argc, char **argv);
int archive_cat_main(int argc, char **argv);
int archive_restore_main(int argc, char **argv);
int archive_verify_main(int argc, char **argv);
int archive_scrub_main(int argc, char **argv);
int archive_repair_main(int argc, char **argv);
int archive_prove_main(int argc, char **argv);
int archive_hold_main(int argc, char **argv);
int archive_release_main(int argc, char **argv);
int archive_extend_main(int argc, char **argv);
int archive_expire_main(int argc, char **argv);
int archive_push_main(int argc, char **argv);
int archive_pull_main(int argc, char **argv);

#endif
