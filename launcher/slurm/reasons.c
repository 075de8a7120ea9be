/* SPDX-License-Identifier: MIT */
/* reasons.c - why a job waits: Slurm's words, and what they mean to its user. */
#include <stdbool.h>
#include <string.h>

#include "launcher/slurm/queue.h"

/* A reason may go on behind a comma: "ReqNodeNotAvail, UnavailableNodes:n3". The first row
 * that fits counts; one that ends with '*' fits all that begin so. */
static const struct {
    const char *reason, *words;
} table[] = {
    {"", "Slurm has not said why"},
    {"None", "Slurm has not come to it yet"},
    {"Priority", "jobs of higher priority are before it"},
    {"Resources", "it is next, as soon as enough nodes are free"},
    {"BeginTime", "the time to begin has not come"},
    {"Dependency", "the job that it depends on has not ended"},
    {"DependencyNeverSatisfied", "the job that it depends on ended in a way that keeps "
                                 "this one from ever starting"},
    {"JobHeldUser", "it is held; `scontrol release` lets it go"},
    {"JobHeldAdmin", "an administrator holds it"},
    {"JobArrayTaskLimit", "as many jobs of its array run as may run at a time"},
    {"Licenses", "the licenses that it asks for are in use"},
    {"Reservation", "its reservation has not begun"},
    {"ReservationDeleted", "its reservation is gone; it will not start"},
    {"Prolog", "the site's prolog runs"},
    {"Cleaning", "what ran before it is being cleaned up"},
    {"ReqNodeNotAvail",
     "a node that it needs is down, drained or reserved (for maintenance, perhaps)"},
    {"Nodes required for job are DOWN*",
     "nodes that it needs are down, drained, or reserved for others"},
    {"NodeDown", "a node that it needs is down"},
    {"BadConstraints", "no nodes have what it asks for; it will not start"},
    {"NonZeroExitCode", "it ended with a status that is not 0"},
    {"DeadLine", "it cannot end before its deadline"},
    {"PartitionDown", "its partition starts no jobs at present"},
    {"PartitionInactive", "its partition takes no jobs at present"},
    {"PartitionNodeLimit", "it asks for more nodes than its partition has or allows"},
    {"PartitionTimeLimit", "it asks for more time than its partition allows"},
    {"PartitionConfig", "its partition does not allow what it asks for"},
    {"AccountNotAllowed", "its account may not use this partition"},
    {"AccountingPolicy", "a limit of its account is reached"},
    {"InvalidAccount", "its account does not exist (any more)"},
    {"InvalidQOS", "its QOS does not exist, or its account may not use it"},
    {"QOSNotAllowed", "its QOS may not use this partition"},
    {"QOSTimeLimit", "the QOS's time is used up"},
    {"QOSUsageThreshold", "the QOS's share of use is passed"},
    {"QOSMaxJobsPerUserLimit", "its user has as many jobs as the QOS allows one user"},
    {"QOSMaxSubmitJobPerUserLimit",
     "its user has as many jobs in the queue as the QOS allows"},
    {"QOSMaxWall*",
     "it asks for more time than its QOS allows a job; it will not start"},
    {"QOSMax*PerUser*", "its user has as much as the QOS allows one user"},
    {"QOSMax*PerAccount*", "its account has as much as the QOS allows one account"},
    {"QOSMax*PerJob*", "it asks for more than its QOS allows a job; it will not start"},
    {"QOSMax*PerNode*",
     "it asks for more of a node than its QOS allows; it will not start"},
    {"QOSMin*", "it asks for less than its QOS wants of a job; it will not start"},
    {"QOSGrp*", "all users of its QOS together have as much as it allows"},
    {"QOS*", "a limit of its QOS is reached"},
    {"AssocMaxWall*",
     "it asks for more time than its account allows a job; it will not start"},
    {"AssocMax*PerJob*",
     "it asks for more than its account allows a job; it will not start"},
    {"AssocMaxJobsLimit", "its user has as many jobs as the account allows"},
    {"AssocMax*", "its user has as much as the account allows"},
    {"AssocGrp*", "all users of its account together have as much as it allows"},
    {"Assoc*", "a limit of its account is reached"},
    {"Max*PerAccount", "its account has as much as is allowed at a time"},
    {"MaxMemPerLimit", "it asks for more memory than is allowed"},
    {"BurstBuffer*", "the burst buffer is not ready"},
    {"FrontEndDown", "no front end node is up"},
    {"SchedDefer", "the scheduler leaves it for its next round"},
    {"JobHoldMaxRequeue", "it was requeued as often as the site allows, and is held"},
    {"launch failed requeued held",
     "a node could not start it; it is held until `scontrol release`"},
    {"job requeued in held state",
     "it was requeued and is held; `scontrol release` lets it go"},
    {"user env retrieval failed requeued held",
     "the user's environment could not be made; it is held until `scontrol release`"},
    {"JobLaunchFailure", "a node could not start it"},
    {"SystemFailure", "something of Slurm's own failed"},
};

static bool same(char a, char b)
{
    return a == b || (a == ' ' && b == '_'); /* scontrol has it as one word */
}

/* Of two patterns: "x*" and "x*y*"; a whole one ends at the reason's end or comma. */
static bool fits(const char *pattern, const char *reason)
{
    for (; *pattern && *pattern != '*'; pattern++, reason++) {
        if (!same(*pattern, *reason))
            return false;
    }
    if (*pattern == '\0')
        return *reason == '\0' || *reason == ',' || *reason == '(';
    const char *middle = pattern + 1, *end = strchr(middle, '*');
    if (!end)
        return true;
    for (size_t n = (size_t)(end - middle); *reason; reason++) {
        if (strncmp(reason, middle, n) == 0)
            return true;
    }
    return false;
}

const char *slurm_reason_words(const char *reason)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (fits(table[i].reason, reason))
            return table[i].words;
    }
    return reason;
}
