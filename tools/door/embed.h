/* embed.h - files of the source tree within the program, by the assembler.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_EMBED_H
#define MILLRACE_TOOLS_DOOR_EMBED_H

/* Defines NAME[] and NAME_end[], constant bytes. path: from the top of the tree, where the compiler
 * is started. */
#define EMBED(name, path)                                                                          \
    extern const char(name)[];                                                                     \
    extern const char name##_end[];                                                                \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #name "\n"                                                                  \
            ".global " #name "_end\n" #name ":\n"                                                  \
            ".incbin \"" path "\"\n" #name "_end:\n"                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n")

#endif
