/* ranks.h - what programs that run on several ranks say and return.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_RANKS_H
#define MILLRACE_TOOLS_RANKS_H

#include "mr/comm.h"

/* Is this the rank that says what is wrong with the options? Before the ranks are joined. */
gboolean ranks_is_first(void);

/* *Collective.* Ends a job: the rank where an error arose prints it, and all ranks return its exit
 * code, since mpirun's is that of the first rank to end. error: NULL where all went well, or where
 * only code says what did not. */
int ranks_conclude(Comm *comm, int code, const GError *error);

#endif
