/* SPDX-License-Identifier: MIT */
/* sample_amdgpu.c - what AMD's driver says of a GPU in its folder of /sys: clocks,
 * temperature and power (hwmon), replays on PCIe, uncorrected memory errors. Why it is
 * slow it says only in a table of many versions, which is not read here. */
#include "agent/describe/sample_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe/sysfs.h"

static bool number(const char *dir, const char *file, uint64_t *ret)
{
    char text[32], *end;
    if (!sysfs_read(dir, file, text, sizeof text))
        return false;
    *ret = strtoull(text, &end, 10);
    return end != text && *text != '-';
}

static int32_t gauge(const char *dir, const char *file, uint64_t unit)
{
    uint64_t value;
    if (!number(dir, file, &value) || value / unit > INT32_MAX)
        return -1;
    return (int32_t)(value / unit);
}

static bool hwmon_find(const char *device, char ret[SYSFS_PATH])
{
    char path[SYSFS_PATH];
    bool found = false;
    sysfs_path(path, "%s/hwmon", device);
    DIR *d = opendir(path);
    for (const struct dirent *x; d && !found && (x = readdir(d));) {
        found = strncmp(x->d_name, "hwmon", 5) == 0;
        if (found)
            sysfs_path(ret, "%s/%s", path, x->d_name);
    }
    if (d)
        (void)closedir(d);
    return found;
}

/* The highest of lines such as "1: 1900Mhz *". */
static int32_t max_clock(const char *device)
{
    char path[SYSFS_PATH], line[64];
    int max = -1, mhz;
    sysfs_path(path, "%s/pp_dpm_sclk", device);
    FILE *f = fopen(path, "re");
    for (int i = 0; f && i < 64 && fgets(line, sizeof line, f); i++)
        if (sscanf(line, "%*d: %dMhz", &mhz) == 1 && mhz > max)
            max = mhz;
    if (f)
        (void)fclose(f);
    return max;
}

void sample_amdgpu_signals(const char *sysfs, const char *bus_id,
                           struct gpusignals_reading *ret)
{
    char device[SYSFS_PATH], hwmon[SYSFS_PATH], text[32];
    unsigned long long errors;
    uint64_t replays;
    gpusignals_reading_init(ret);
    sysfs_path(device, "%s/bus/pci/devices/%s", sysfs, bus_id);
    if (number(device, "pcie_replay_count", &replays))
        gpusignals_count(ret, GPUSIGNALS_PCIE, replays);
    if (sysfs_read(device, "ras/umc_err_count", text, sizeof text) &&
        sscanf(text, "ue: %llu", &errors) == 1)
        gpusignals_count(ret, GPUSIGNALS_ECC, errors);
    ret->sm_max_mhz = max_clock(device);
    if (!hwmon_find(device, hwmon))
        return;
    ret->sm_mhz = gauge(hwmon, "freq1_input", 1000000);
    ret->mem_mhz = gauge(hwmon, "freq2_input", 1000000);
    ret->celsius = gauge(hwmon, "temp1_input", 1000);
    ret->milliwatts = gauge(hwmon, "power1_average", 1000);
    if (ret->milliwatts < 0)
        ret->milliwatts = gauge(hwmon, "power1_input", 1000);
}
