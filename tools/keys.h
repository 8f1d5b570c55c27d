/* keys.h - the verbs of millrace keys; each takes the arguments behind its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_KEYS_H
#define MILLRACE_TOOLS_KEYS_H

int keys_init_main(int argc, char **argv);
int keys_add_main(int argc, char **argv);
int keys_revoke_main(int argc, char **argv);
int keys_rotate_main(int argc, char **argv);
int keys_list_main(int argc, char **argv);
int keys_publish_main(int argc, char **argv);
int keys_fetch_main(int argc, char **argv);

#endif
