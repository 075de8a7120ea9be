/* SPDX-License-Identifier: MIT */
/* nicfacts - what kind of network device one is, and what the kernel says of its ports.
 * Functions return 0 or -ENOMEM.
 */
#ifndef AGENT_DESCRIBE_NICFACTS_H
#define AGENT_DESCRIBE_NICFACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire/aolani.pb-c.h"

/* "4: ACTIVE" and "4" are 4. A port that is being recovered (5) is as good as active. */
uint32_t nicfacts_state(const char *text);
/* By the model number, which a guest sees too. */
bool nicfacts_is_virtual(uint16_t vendor, uint16_t device);
Aolani__NicPort *nicfacts_add_port(Aolani__Nic *nic,
                                   uint32_t number); /* NULL: -ENOMEM */

/* Sets kind, and the link layer where no port says it; a device has one port at least.
 * vendor and class_id: 0 for what is not on PCI. */
int nicfacts_classify(Aolani__Nic *nic, uint16_t vendor, uint16_t class_id, bool rdma);

/* From a folder laid out like /sys: ports, link layers, rates, GUIDs, whether it is a
 * virtual function. What is there wins over what t has. */
int nicfacts_read_sysfs(const char *sysfs, Aolani__Topology *t);

/* By PCI address, then name ("mlx5_2" before "mlx5_10"). */
void nicfacts_sort(Aolani__Topology *t);

#endif
