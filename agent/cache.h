/* SPDX-License-Identifier: MIT */
/* cache - the folders of agents that a node keeps, one a version, named by 16 hexadecimal
 * digits: those that nobody has used for long go when a new one comes. A folder of such a
 * name without an agent in it goes only if it is empty. */
#ifndef AGENT_CACHE_H
#define AGENT_CACHE_H

#define CACHE_UNUSED_DAYS \
    90u /* a version so long not started goes; no job runs longer */
#define CACHE_BROKEN_DAYS 1u /* half a copy: no start takes so long */

/* dir: the folder of the version in use, which stays; its neighbours are looked at, and
 * in it what copies that broke off have left. What cannot be removed stays, unsaid. */
void cache_prune(const char *dir);
/* Where this program runs from a cache: note, once a day, that it is in use. */
void cache_note_use(void);

#endif
