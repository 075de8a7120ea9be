/* SPDX-License-Identifier: MIT */
/* cost.c - see cost.h. */
#include "launcher/variance/cost.h"

#define HOUR_US 3600e6

double cost_hours(const struct cost *c, double us)
{
    return us > 0 ? us / HOUR_US * c->devices : 0;
}

double cost_money(const struct cost *c, double us)
{
    return cost_hours(c, us) * c->device_hour;
}
