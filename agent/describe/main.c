/* SPDX-License-Identifier: MIT */
/* aolani-describe - what this node is made of, as a Topology message on standard output. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("aolani-describe " AOLANI_VERSION "\n") < 0;
    return 2;
}
