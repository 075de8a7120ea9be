/* SPDX-License-Identifier: MIT */
/* calls - PMIx's calls to its host, as letters. */
#ifndef AGENT_PMIX_CALLS_H
#define AGENT_PMIX_CALLS_H

#include "agent/pmix/mailbox.h"

#define CALLS_ABORT_TEXT_MAX 1024u /* of what a program says as it aborts */

/* Before the library is started, and NULL once it has stopped. */
void calls_deliver_to(struct mailbox *b);
pmix_server_module_t *calls_module(void); /* for PMIx_server_init */
/* For PMIx_server_dmodex_request; arg: a malloc'ed uint64_t, the number of the request. */
void calls_on_data(pmix_status_t status, char *data, size_t len, void *arg);

#endif
