/* SPDX-License-Identifier: MIT */
/* message.c - the list of message.h as an array in order of the numbers. */
#include "proto/wire/message.h"

#define MESSAGE_RULE(number, name, sender, phases, max, bulk) \
    {MSG_##name, #name, sender, phases, max, bulk},
static const struct message_rule rules[] = {MESSAGES(MESSAGE_RULE)};
#undef MESSAGE_RULE

#define N_RULES (sizeof rules / sizeof rules[0])

const struct message_rule *message_rule(uint32_t type)
{
    for (size_t i = 0; i < N_RULES && (uint32_t)rules[i].type <= type; i++)
        if ((uint32_t)rules[i].type == type)
            return &rules[i];
    return NULL;
}

const struct message_rule *message_rules(size_t *ret_n)
{
    *ret_n = N_RULES;
    return rules;
}
