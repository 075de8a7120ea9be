/* SPDX-License-Identifier: MIT */
/* cost - time of a job as device hours and money. What is paid for is every GPU of the job;
 * a job without GPUs is counted as one device a rank, and the page says so. */
#ifndef LAUNCHER_VARIANCE_COST_H
#define LAUNCHER_VARIANCE_COST_H

#include <stdbool.h>
#include <stdint.h>

struct cost {
    uint32_t devices;
    bool ranks;         /* they are ranks: there is no GPU */
    double device_hour; /* price; 0: none given */
    char currency[16];
};
double cost_hours(const struct cost *c, double us); /* of all devices for that time */
double cost_money(const struct cost *c, double us);

#endif
