/* SPDX-License-Identifier: MIT */
/* economics.c - see economics.h. */
#include "launcher/tax/economics.h"

double tax_share(double tau)
{
    return tau / (1 + tau);
}

double tax_days(double days_fast, double tau)
{
    return days_fast * (1 + tau);
}

double tax_money_fast(double money_slow, double tau)
{
    return money_slow / (1 + tau);
}

double tax_break_even(double tau)
{
    return 1 + tau;
}
