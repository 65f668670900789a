/*
 * A doubly linked list whose links live inside the objects. The head is a
 * struct list too; an object's link is either in one list or unlinked, and
 * list_remove() on an unlinked one does nothing.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define LIST_OWNER(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline bool list_linked(const struct list *l)
{
	return l->next && l->next != l;
}

static inline void list_append(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void list_remove(struct list *link)
{
	if (!list_linked(link))
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Take the first link off the list; NULL when it is empty. */
static inline struct list *list_shift(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

#endif
