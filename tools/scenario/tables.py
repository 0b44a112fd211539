"""When did every node load a table with some property: pure functions over the tables that the media
processes took in. All answers are milliseconds after `since_ns`, or None where it never came about."""


def first_good(log, since_ns, is_good):
    """When `log`'s table in use is good: 0 if it was all along, None if it never is."""
    current = None
    for table in log.tables:
        if table.time_ns <= since_ns:
            current = table
        elif current is not None and is_good(current):
            return 0.0
        elif is_good(table):
            return (table.time_ns - since_ns) / 1e6
        else:
            current = None
    return 0.0 if current is not None and is_good(current) else None


def all_good_ms(logs, since_ns, is_good):
    """The time until each log's table has once been good; `is_good(name, table)`."""
    times = [first_good(log, since_ns, lambda table, n=name: is_good(n, table)) for name, log in logs.items()]
    return None if not times or None in times else max(times)


def last_bad_ms(log, since_ns, until_ns, is_good):
    """The time after which the table in use stays good until `until_ns`."""
    bad_since_start, good_at = False, 0.0
    in_use = [t for t in log.tables if t.time_ns <= since_ns][-1:] + \
             [t for t in log.tables if since_ns < t.time_ns <= until_ns]
    for table in in_use:
        if not is_good(table):
            bad_since_start, good_at = True, None
        elif good_at is None:
            good_at = max(0.0, (table.time_ns - since_ns) / 1e6)
    return good_at if bad_since_start else 0.0


def uses(path, number, links):
    """Does a path (next hop first) of node `number` cross one of the (from, to) links?"""
    nodes = (number, *path)
    return any(link in links for link in zip(nodes, nodes[1:]))


def best_paths(table):
    return {target: paths[0] for target, paths in table.routes.items() if paths}


def moves(log, since_ns, until_ns):
    """Every change of a best path within a time: (time, target, old path, new path)."""
    found, paths = [], None
    for table in log.tables:
        now = best_paths(table)
        if paths is not None and since_ns < table.time_ns <= until_ns:
            found += [(table.time_ns, to, paths[to], now[to]) for to in now if to in paths and paths[to] != now[to]]
        if table.time_ns <= until_ns:
            paths = now
    return found
