/* SPDX-License-Identifier: MIT */
/* srunwords - what srun means by a line on its standard error: who said it, what has
 * happened, in our words, and the way out. Pure; the line is untrusted, and everything
 * taken from it is bounded. Words that no table knows pass as they are. */
#ifndef LAUNCHER_SLURM_SRUNWORDS_H
#define LAUNCHER_SLURM_SRUNWORDS_H

#include <stddef.h>

#define SRUNWORDS_TEXT 256

/* "12: text" of --label: the task, and where its own text begins; -1: srun itself speaks
 * (text is then the line). */
long srunwords_label(const char *line, const char **ret_text);

enum srunwords_kind {
    SRUNWORDS_OTHER,       /* text: as srun said it, without "srun: error: " */
    SRUNWORDS_NOISE,       /* a consequence, or nothing that matters */
    SRUNWORDS_ABORTED,     /* Slurm ends the step */
    SRUNWORDS_LINGERS,     /* srun goes before all of its tasks have ended */
    SRUNWORDS_TASKS_ENDED, /* tasks: "1,3-4"; nodes: a host list; wait_status; text: how */
    SRUNWORDS_REFUSED,     /* nodes: one; text: why its task could not be started */
    SRUNWORDS_NODES_LOST,  /* nodes: a host list */
    SRUNWORDS_UNAVAILABLE, /* some node, which srun does not name, takes no step */
    SRUNWORDS_WAITS,       /* srun waits, and will try again; text: why */
    SRUNWORDS_FATAL,       /* no step comes of this; text, hint */
};

struct srunwords {
    enum srunwords_kind kind;
    char nodes[SRUNWORDS_TEXT], tasks[SRUNWORDS_TEXT];
    int wait_status; /* as of waitpid(2) */
    char text[SRUNWORDS_TEXT];
    const char *hint; /* "" when there is none; constant */
};
void srunwords_read(const char *line, struct srunwords *ret);

#endif
