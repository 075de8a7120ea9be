/* SPDX-License-Identifier: MIT */
/* nvmllib_words.c - what NVML's codes mean. Its own words (nvmlErrorString) are often those of
 * the code's name, or of the last call rather than of the GPU. */
#include "agent/describe/nvmllib.h"

#include <errno.h>

static const struct {
    int code;
    bool is_unusable;
    const char *why;
} words[] = {
    {NVMLLIB_NOT_SUPPORTED, false, "it does not support the question"},
    {NVMLLIB_NO_PERMISSION, true, "this user may not use it"},
    {NVMLLIB_NOT_FOUND, false, "there is no such thing"},
    {8, true, "its power cables are not attached"},
    {NVMLLIB_NO_DRIVER, true, "the driver is not loaded"},
    {NVMLLIB_TIMEOUT, true, "it did not answer in time"},
    {11, true, "its interrupts do not arrive"},
    {NVMLLIB_NO_FUNCTION, false, "this driver does not know the question"},
    {NVMLLIB_LOST, true, "it is lost: it has fallen off the bus"},
    {NVMLLIB_RESET_REQUIRED, true, "it must be reset before it can be used again"},
    {NVMLLIB_BLOCKED, true, "the system (a cgroup) keeps it from this process"},
    {NVMLLIB_MISMATCH, true,
     "the driver's kernel module and library are of different "
     "versions"},
    {19, false, "it is in use"},
    {20, false, "out of memory"},
    {-ENOMEM, false, "out of memory"},
};

const char *nvmllib_why(int code)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].code == code)
            return words[i].why;
    return "the driver reports an error";
}

bool nvmllib_is_unusable(int code)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].code == code)
            return words[i].is_unusable;
    return false;
}
