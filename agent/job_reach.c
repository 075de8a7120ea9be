/* SPDX-License-Identifier: MIT */
/* job_reach.c - REACH: node 0 listens at the port that it holds for rank 0, the others try
 * to connect to it. */
#include "agent/job_impl.h"

#include <errno.h>

static void job_send_reached(void *arg, const char *error)
{
    struct job *j = arg;
    Aolani__Reached m = AOLANI__REACHED__INIT;
    m.error = (char *)error;
    (void)j->c.up->send(j->c.up->arg, MSG_REACHED, &m.base);
}

int job_on_reach(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                 struct err *e)
{
    const Aolani__Reach *m = (const Aolani__Reach *)msg;
    struct err why = {0};
    (void)v;
    if (j->reach || m->port == 0 || m->port > 65535)
        return err_set(e, ERR_PROTO, "try the way to port %u", m->port);
    if (!m->address[0] && j->port.fd < 0)
        (void)err_sys(&why, -EBADF, "listen at port %u", m->port);
    else if (!m->address[0])
        (void)reach_answer(j->c.loop, j->port.fd, &j->reach, &why);
    else if (reach_create(j->c.loop, m->address, m->port, job_send_reached, j,
                          &j->reach, &why) == 0)
        return 0;
    job_send_reached(j, why.text);
    return 0;
}
