/* SPDX-License-Identifier: MIT */
/* audit_units.c - see audit_units.h. Two digits that matter, three above a hundred. */
#include "launcher/audit/audit_units.h"

#include <stdio.h>

static int decimals(double x)
{
    return x < 9.95 ? 1 : 0;
}

const char *unit_share(double share, char ret[UNIT_TEXT])
{
    double percent = share * 100;
    if (percent > 0 && percent < .005)
        snprintf(ret, UNIT_TEXT, "< 0.01 %%");
    else
        snprintf(ret, UNIT_TEXT, "%.*f %%", percent < .995 ? 2 : decimals(percent),
                 percent < 1e6 ? percent : 1e6);
    return ret;
}

const char *unit_mbytes(uint64_t mbytes, char ret[UNIT_TEXT])
{
    double gb = (double)mbytes / 1e3;
    if (mbytes >= UNITS_MOST)
        snprintf(ret, UNIT_TEXT, "an absurd speed");
    else if (mbytes < 1000)
        snprintf(ret, UNIT_TEXT, "%u MB/s", (unsigned)mbytes);
    else
        snprintf(ret, UNIT_TEXT, "%.*f GB/s", decimals(gb), gb);
    return ret;
}

const char *unit_ns(uint64_t ns, char ret[UNIT_TEXT])
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;
    while (i < 3 && (double)ns < units[i].ns)
        i++;
    double x = (double)ns / units[i].ns;
    snprintf(ret, UNIT_TEXT, "%.*f %s", i == 3 ? 0 : decimals(x), x, units[i].name);
    return ret;
}
