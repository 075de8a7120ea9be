/* SPDX-License-Identifier: MIT */
/* economics - a slowdown in days and money. Pure.
 *
 * tau = T_slow / T_fast - 1 is the one meaning of "tax" here. The share of the bill that it
 * is: s = tau / (1 + tau). Price ratio p = price_fast / price_slow; break-even p* = 1+tau. */
#ifndef LAUNCHER_TAX_ECONOMICS_H
#define LAUNCHER_TAX_ECONOMICS_H

double tax_share(double tau);                  /* s */
double tax_days(double days_fast, double tau); /* on the slow one */
double tax_money_fast(double money_slow,
                      double tau); /* for the same work, equal prices */
double tax_break_even(double tau); /* p* */

#endif
