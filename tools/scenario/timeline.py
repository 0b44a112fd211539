"""The phases of the demo, in order: everything comes up, links are cut, the collector is killed while links
are cut, a cut lasts until it is told by mail, a link degrades, a node dies and another joins, all is healed,
a live stream is dialled from everywhere while one viewer's way to it is cut.
What was done and when is kept in `facts`, for the report; what is seen on the way is told to the story.
Judging is the report's work."""

import time

from dials import first_frame_ms, stalls
from live import LiveStream
from mails import link_name, read_mails
from medialogs import Fleet
from truth import LinkBelief, LinkTruth, links_of, switching_margin_ms

# Streams to see cut, and cuts of each kind, before the first phase may end. More cuts than the report
# needs (3 of each kind): the streams of one cut wait for the same detection, so a median over few cuts
# says little.
WANTED = {"two_way": 5, "one_way": 5, "first_hop": 20, "later_hop": 10}
WANTED_SMALL = {"two_way": 1, "one_way": 1, "first_hop": 3, "later_hop": 1}
DOWN_CUTS, DOWN_CUTS_SMALL = 5, 2  # while there is no collector
CUTS_MAX = 30
DIAL_S, DIAL_QUIET_S, DIAL_CUT_S = 12.0, 6.0, 2.0  # a dial, before its cut, the cut


class Timeline:
    def __init__(self, world, story, rng, joiner):
        self.world = world
        self.story = story
        self.rng = rng
        self.joiner = joiner
        self.initial = [n for n in world.nodes if n != joiner]
        self.fleet = Fleet(world.path("media"), self.initial)
        self.facts = {"cuts": [], "down_cuts": [], "troubles": [], "nodes": list(world.nodes), "joiner": joiner}
        self._next_usage = 0.0

    # --- waiting ---

    def wait(self, condition, patience_s, interval_s=0.1):
        """Polls until `condition()`; the seconds it took, or None when patience ran out."""
        start = time.monotonic()
        while True:
            self.world.check_alive()
            now = time.monotonic()
            if now >= self._next_usage:
                self._next_usage = now + 1.0
                self.world.sample_usage()
            self.fleet.poll()
            if condition():
                return time.monotonic() - start
            if now - start > patience_s:
                return None
            time.sleep(interval_s)

    def pause(self, seconds):
        self.wait(lambda: False, seconds)

    def truth(self):
        return LinkTruth(self.world.lab.ask(op="links")["links"])

    # --- phases ---

    def come_up(self):
        story, world = self.story, self.world
        story.chapter(f"Start: {len(self.initial)} regions, a collector, and at each region an agent and a media process")
        world.start_lab()
        story.did(f"the WAN emulator is up: {len(world.namespaces)} network namespaces, real delays between them")
        world.start_mail_server()
        world.start_collector()
        story.did("the collector is up")
        for node in self.initial:
            world.enrol(node)
        for node in self.initial:
            world.start_agent(node)
            world.start_media(node)
        story.did(f"{len(self.initial)} agents and {len(self.initial)} media processes are started")
        wanted = len(self.initial) * (len(self.initial) - 1)
        took = self.wait(lambda: self._links_measured() >= wanted, 60)
        story.saw(f"{self._links_measured()} of {wanted} links are measured" + (f", after {took:.1f} s" if took else ""))
        took = self.wait(lambda: len(self._nodes_loaded()) == len(self.initial), 60)
        story.saw(f"{len(self._nodes_loaded())} of {len(self.initial)} nodes have loaded a whole route table")
        self.facts["links"] = wanted
        self.facts["links_measured"] = self._links_measured()
        self.facts["nodes_loaded"] = len(self._nodes_loaded())
        self._settle()
        self.facts["baseline"] = self.fleet.paths(published=True)
        relayed = {p: w for p, w in self.facts["baseline"].items() if len(w) > 2}
        story.saw(f"{len(self.fleet.pairs())} streams of {world.rate:.0f} datagrams a second flow; {len(relayed)} are better relayed:")
        truth = self.facts["truth"] = self.truth()
        gains = sorted(((truth.delay_ms(*pair) - truth.path_delay_ms(way), way) for pair, way in relayed.items()),
                       reverse=True)
        for gain, way in gains[:3]:
            story.note(f"     {' -> '.join(way)} saves {gain:.0f} of {truth.delay_ms(way[0], way[-1]):.0f} ms")

    def _links_measured(self):
        return self.world.api.get("/v1/status")["links"]["measured"]

    def _nodes_loaded(self):
        """Nodes whose table has a route to every other node that takes part."""
        return [n for n, log in self.fleet.logs.items()
                if log.tables and len(log.tables[-1].routes) >= len(self.fleet.logs) - 1]

    def _settle(self, quiet_s=4.0, patience_s=30.0):
        """Until no table changed its best paths for a while: first tables rest on few probes."""
        state = {"paths": None, "since": time.monotonic()}

        def quiet():
            paths = self.fleet.paths(published=True)
            if paths != state["paths"]:
                state.update(paths=paths, since=time.monotonic())
            return time.monotonic() - state["since"] >= quiet_s

        self.wait(quiet, patience_s)

    # (a)

    def cut_links(self):
        self.story.chapter("Links are cut while streams use them")
        wanted = WANTED if len(self.initial) > 4 else WANTED_SMALL
        done = dict.fromkeys(wanted, 0)
        kinds = ["two_way", "one_way"]
        self.facts["wanted_streams"] = {k: wanted[k] for k in ("first_hop", "later_hop")}
        while len(self.facts["cuts"]) < CUTS_MAX:
            short = [k for k in kinds if done[k] < wanted[k]]
            few = any(done[k] < wanted[k] for k in ("first_hop", "later_hop"))
            if not short and not few:
                break
            kind = kinds[len(self.facts["cuts"]) % 2] if len(short) != 1 else short[0]
            link = self._draw_link(later_hop=done["first_hop"] >= wanted["first_hop"])
            if link is None:
                self.story.wrong("no link is in use: nothing to cut")
                break
            cut = self._cut(kind, *link)
            done[kind] += 1
            done["first_hop"] += cut["streams_first_hop"]
            done["later_hop"] += cut["streams_later_hop"]

    def _draw_link(self, later_hop=False):
        """A link in use, drawn with the number of streams on it as weight. With `later_hop` only links
        that are not every stream's first are drawn: enough first hops were seen."""
        weights = {}
        for path in self.fleet.paths().values():
            for place, link in enumerate(links_of(path)):
                if later_hop and place == 0:
                    continue
                weights[link] = weights.get(link, 0) + 1
        if not weights:
            return None if not later_hop else self._draw_link()
        links = sorted(weights)
        return self.rng.choices(links, [weights[link] for link in links])[0]

    def _cut(self, kind, a, b):
        self.pause(self.rng.uniform(0.0, 1.0))  # a random phase of everything periodic
        dead = {(a, b), (b, a)} if kind == "two_way" else {(a, b)}
        before = self.fleet.poll().paths()
        touched = {pair: way for pair, way in before.items() if dead & set(links_of(way))}
        first = [pair for pair, way in touched.items() if links_of(way)[0] in dead]
        truth = self.truth()
        cut = {"kind": kind, "from": a, "to": b, "delay_ms": [truth.delay_ms(a, b), truth.delay_ms(b, a)],
               "streams_first_hop": len(first), "streams_later_hop": len(touched) - len(first)}
        cut["cut_ns"] = self.world.lab.fault("blackhole", **{"from": a, "to": b, "both": kind == "two_way"})
        arrow = "<-x->" if kind == "two_way" else "-x->"
        self.story.did(f"cut {a} {arrow} {b}: {len(touched)} streams used it, {len(first)} of them as their first hop")

        def is_avoided(paths):
            return not any(dead & set(links_of(way)) for way in paths.values())

        turned = self.wait(lambda: is_avoided(self.fleet.paths()), 5, 0.05)
        loaded = self.wait(lambda: is_avoided(self.fleet.paths(published=True)), 5, 0.05)
        self.pause(2.0)
        cut["heal_ns"] = self.world.lab.heal(**{"from": a, "to": b, "both": kind == "two_way"})
        self.facts["cuts"].append(cut)
        self._trouble(link_name(a, b), "dead", cut["cut_ns"], cut["heal_ns"])
        if turned is None or loaded is None:
            self.story.wrong(f"after 5 s the cut link is still in {'tables' if turned is not None else 'use'}")
        else:
            self.story.saw(f"streams went another way; all tables without it after about {(turned + loaded) * 1000:.0f} ms; healed")
        self.wait(self._links_alive, 15)
        self.pause(1.0)
        return cut

    def _trouble(self, what, kind, start_ns, end_ns):
        self.facts["troubles"].append({"what": what, "kind": kind, "start_ns": start_ns, "end_ns": end_ns})

    def _marks_are_clear(self):
        """No look-up holds a first hop for dead."""
        return not any(e[-1]["flags"] for log in self.fleet.logs.values() for e in log.choices.values())

    def _links_alive(self):
        """No link is held for dead, neither by the collector nor by any look-up."""
        return self._marks_are_clear() and self.world.api.get("/v1/status")["links"]["dead"] == 0

    # (b) the collector

    def lose_collector(self):
        self.story.chapter("The collector is killed: nodes help themselves, nothing measured is lost")
        self._settle()
        self.world.kill_collector()
        self.facts["collector_down"] = {"killed_ns": time.time_ns()}
        self.story.did("the collector is gone (SIGKILL)")
        self.pause(2.0)
        cuts = DOWN_CUTS if len(self.initial) > 4 else DOWN_CUTS_SMALL
        for number in range(cuts):
            if number == cuts // 2:
                self._await_shrunk_plans()
            link = self._draw_first_hop()
            if link is None:
                break
            self._cut_without_collector("two_way" if number % 2 == 0 else "one_way", *link)
        self._restart_collector()

    def _await_shrunk_plans(self):
        """The rest of the cuts falls into the time in which only first hops are probed."""
        took = self.wait(lambda: len(self._nodes_with_stale_plan()) == len(self.initial), 40, 0.5)
        stale = self.facts["collector_down"]["plans_shrunk"] = len(self._nodes_with_stale_plan())
        self.story.saw("every agent calls its plan stale (metrics.prom) and probes only the first hops of its table"
                       if took is not None else f"only {stale} of {len(self.initial)} agents call their plan stale")

    def _nodes_with_stale_plan(self):
        found = []
        for node in self.initial:
            try:
                with open(self.world.path("agents", node, "state", "metrics.prom"), encoding="utf-8") as file:
                    if 'linkpilot_agent_plan_state{state="stale"} 1\n' in file.read():
                        found.append(node)
            except OSError:
                pass
        return found

    def _draw_first_hop(self):
        first = [links_of(way)[0] for way in self.fleet.poll().paths().values() if len(way) > 1]
        return self.rng.choice(sorted(first)) if first else None

    def _cut_without_collector(self, kind, a, b):
        self.pause(self.rng.uniform(0.0, 1.0))
        dead = {(a, b), (b, a)} if kind == "two_way" else {(a, b)}
        first = [p for p, way in self.fleet.poll().paths().items() if links_of(way)[0] in dead]
        truth = self.truth()
        cut = {"kind": kind, "from": a, "to": b, "delay_ms": [truth.delay_ms(a, b), truth.delay_ms(b, a)]}
        cut["cut_ns"] = self.world.lab.fault("blackhole", **{"from": a, "to": b, "both": kind == "two_way"})
        self.story.did(f"cut {a} {'<-x->' if kind == 'two_way' else '-x->'} {b}: the first hop of {len(first)} streams")

        def turned():
            paths = self.fleet.paths()
            return not any(links_of(paths[p])[0] in dead for p in first if len(paths.get(p, ())) > 1)

        took = self.wait(turned, 5, 0.05)
        self.pause(2.0)
        cut["heal_ns"] = self.world.lab.heal(**{"from": a, "to": b, "both": kind == "two_way"})
        self.facts["down_cuts"].append(cut)
        self._trouble(link_name(a, b), "dead", cut["cut_ns"], cut["heal_ns"])
        if took is None:
            self.story.wrong("after 5 s some still send into it")
        else:
            self.story.saw(f"they took their second way after about {took * 1000:.0f} ms, without asking anybody; healed")
        self.wait(self._marks_are_clear, 15)
        self.pause(1.0)

    def _restart_collector(self):
        fact = self.facts["collector_down"]
        self.world.restart_collector()
        fact.setdefault("back_ns", time.time_ns())
        self.story.did("the collector is started again")

        def whole():
            status = self.world.api.get("/v1/status")
            return (status["agents"]["connected"] >= len(self.initial) and
                    status["links"]["measured"] >= self.facts["links"] and not status["tables"]["behind"])

        took = self.wait(whole, 60)
        self.story.saw(f"all agents are back and have handed over what they kept, after {took:.1f} s" if took is not None
                       else "not all agents came back within 60 s")

    # (c) mail

    def tell_people(self):
        """A cut that lasts is told by mail; a collector that dies after that tells neither twice nor forgets
        the end."""
        self.story.chapter("A link stays cut: people are told, once, and again when it is over")
        self._settle()
        link = self._draw_link()
        if link is None:
            return
        a, b = link
        start_ns = self.world.lab.fault("blackhole", **{"from": a, "to": b, "both": True})
        self.story.did(f"cut {a} <-x-> {b}, for longer")
        self._await_mail("opened", link_name(a, b), 25, start_ns)
        self.world.kill_collector()
        self.story.did("the collector is killed again")
        self.pause(1.0)
        self._restart_collector()
        self.pause(5.0)
        end_ns = self.world.lab.heal(**{"from": a, "to": b, "both": True})
        self._trouble(link_name(a, b), "dead", start_ns, end_ns)
        self.story.did("healed")
        self._await_mail("resolved", link_name(a, b), 60, end_ns)
        self.wait(self._links_alive, 15)
        # The collector has to see again what is usual before it can tell what is not.
        self.pause(15.0)

    def mails(self):
        return read_mails(self.world.path("mails.jsonl"))

    def _await_mail(self, event, what, patience_s, since_ns):
        def arrived():
            return [m for m in self.mails() if m.about(event, what) and m.time_ns >= since_ns]

        self.wait(arrived, patience_s)
        found = arrived()
        if found:
            self.story.saw(f"mail after {(found[0].time_ns - since_ns) / 1e9:.1f} s: {found[0].subject}")
        else:
            self.story.wrong(f"no mail about {what} ({event}) within {patience_s:.0f} s")

    # (d)

    def degrade_link(self):
        self.story.chapter("A link in use gets slow and lossy: +80 ms and 3 % loss, both ways")
        self._settle()
        truth = self.truth()
        a, b = self._draw_degradable(truth)
        degrade = {"from": a, "to": b, "before": self.fleet.paths(published=True)}
        degrade["set_ns"] = self.world.lab.fault("delay", **{"from": a, "to": b, "both": True, "add_ms": 80})
        self.world.lab.fault("loss", **{"from": a, "to": b, "both": True, "ratio": 0.03})
        self.story.did(f"{a} <-> {b} is now 80 ms slower and loses 3 % of its packets")
        after = self.truth()
        dead = {(a, b), (b, a)}
        users = [p for p, way in degrade["before"].items() if dead & set(links_of(way))]
        # Those for whom a way round is worth a switch; the others do right to stay.
        should = []
        for pair in users:
            now = after.path_cost_ms(degrade["before"][pair])
            if after.best_cost_ms(self.initial, *pair, without=dead) + switching_margin_ms(now) < now:
                should.append(pair)
        degrade["should_move"] = should
        took = self.wait(lambda: not any(dead & set(links_of(self.fleet.path(*p, published=True))) for p in should), 25)
        self.pause(5.0)  # whoever moves without a gain shall have the time to
        degrade["end_ns"] = time.time_ns()
        degrade["after"] = self.fleet.paths(published=True)
        degrade["truth"] = after
        self.facts["degrade"] = degrade
        self.story.saw(f"{len(users)} routes used it, {len(should)} gain by leaving it; " +
                       (f"all of them have left after about {took:.1f} s" if took is not None else "not all of them left"))

    def _draw_degradable(self, truth):
        """A link in use for whose streams there is a better way once it is 80 ms slower."""
        weights = {}
        for pair, way in self.fleet.paths().items():
            for link in links_of(way):
                without = truth.best_cost_ms(self.initial, *pair, without={link, link[::-1]})
                slower = truth.path_cost_ms(way) + 80
                if without + 2 * switching_margin_ms(slower) < slower:
                    weights[link] = weights.get(link, 0) + 1
        if not weights:
            return self._draw_link()
        links = sorted(weights)
        return self.rng.choices(links, [weights[link] for link in links])[0]

    # (e)

    def lose_and_gain_nodes(self):
        degraded = {self.facts["degrade"]["from"], self.facts["degrade"]["to"]} if "degrade" in self.facts else set()
        node = self.rng.choice([n for n in self.initial if n not in degraded] or self.initial)
        self.story.chapter(f"A node dies and returns{', and a new one joins' if self.joiner else ''}")
        fact = {"node": node, "down_ns": self.world.lab.fault("node_down", node=node)}
        self.story.did(f"{node} is down: nothing gets in or out")
        took = self.wait(lambda: not self._tables_with(node), 15, 0.05)
        self.story.saw(f"{node} is in no other node's table any more, after about {took * 1000:.0f} ms" if took is not None
                       else f"{node} is still in the tables of {', '.join(self._tables_with(node))}")
        self._await_mail("opened", f"node {node}", 20, fact["down_ns"])
        fact["up_ns"] = self.world.lab.heal(node=node)
        self._trouble(f"node {node}", "dead", fact["down_ns"], fact["up_ns"])
        self.story.did(f"{node} is back")
        others = len(self.fleet.logs) - 1
        took = self.wait(lambda: len(self._tables_with(node)) == others, 30, 0.05)
        self.story.saw(f"every other node has a route to it again, after about {took:.1f} s" if took is not None
                       else f"only {len(self._tables_with(node))} of {others} nodes have a route to it")
        self.facts["node"] = fact
        if self.joiner:
            self._join()

    def _tables_with(self, node):
        """Names of the other nodes whose table leads to `node` or through it."""
        number = self.fleet.numbers.get(node)
        return [n for n, log in self.fleet.logs.items() if n != node and log.tables and number is not None and
                any(number in path for paths in log.tables[-1].routes.values() for path in paths)]

    def _join(self):
        node, others = self.joiner, len(self.fleet.logs)
        fact = {"node": node, "enrolled_ns": time.time_ns()}
        self.world.enrol(node)
        self.world.start_agent(node)
        self.world.start_media(node)
        self.fleet.add(node)
        self.story.did(f"{node}, a node nobody knew, is enrolled (its public key is dropped into a folder) and started")
        took = self.wait(lambda: len(self._tables_with(node)) == others, 40, 0.05)
        self.story.saw(f"it is in all {others} other tables after about {took:.1f} s" if took is not None
                       else f"it is in {len(self._tables_with(node))} of {others} other tables")
        self.facts["join"] = fact

    # (f)

    def heal_all(self):
        self.story.chapter("Everything is healed: routes come home")
        fact = {"heal_ns": self.world.lab.heal()}
        if "degrade" in self.facts:
            degrade = self.facts["degrade"]
            self._trouble(link_name(degrade["from"], degrade["to"]), "degraded", degrade["set_ns"], fact["heal_ns"])
        truth = self.truth()
        baseline = self.facts["baseline"]

        def all_home():
            belief = LinkBelief(self.world.api.get("/v1/links")["links"], truth)
            away = [pair for pair, way in baseline.items()
                    if not belief.is_home(way, self.fleet.path(*pair, published=True))]
            fact["away"] = [self.fleet.path(*pair, published=True) for pair in away]
            return not away

        took = self.wait(all_home, 110, 0.5)
        fact["home_ms"] = None if took is None else (time.time_ns() - fact["heal_ns"]) / 1e6
        fact["same"] = sum(self.fleet.path(*pair, published=True) == way for pair, way in baseline.items())
        self.story.saw(f"every route is the one before, or as good within its margin, after {took:.1f} s" if took is not None
                       else f"{len(fact['away'])} routes have not come home")
        self.facts["heal"] = fact
        took = self.wait(lambda: self.world.api.get("/v1/faults", state="open")["open"] == 0, 60, 0.5)
        if took is None:
            self.story.wrong("a fault is still open a minute after everything is healed")
        self.wait(lambda: self.world.api.get("/v1/faults", state="open")["mail"]["waiting"] == 0, 10)

    # (g)

    def dial_stream(self):
        """Every region views one live stream; the way to one of them is cut meanwhile. One direction only:
        see dials.py."""
        world, story, nodes = self.world, self.story, list(self.world.nodes)
        server, victim = self.rng.sample(nodes, 2)
        story.chapter(f"A live stream: {server} serves it, every region dials it")
        stream = LiveStream(world, server)
        stream.start()
        story.did(f"nginx-rtmp at {server} serves {stream.url}, fed by ffmpeg")
        self.pause(2.0)
        for node in nodes:
            stream.dial(node, "--seconds", DIAL_S)
        story.did(f"{len(nodes)} dials begin, one in each region")
        self.pause(DIAL_QUIET_S)
        truth = self.truth()
        fact = {"server": server, "victim": victim,
                "round_trip_ms": truth.delay_ms(server, victim) + truth.delay_ms(victim, server)}
        fact["cut_ns"] = world.lab.fault("blackhole", **{"from": server, "to": victim, "both": False})
        story.did(f"cut {server} -x-> {victim} for {DIAL_CUT_S:.0f} s, while they watch")
        self.pause(DIAL_CUT_S)
        fact["heal_ns"] = world.lab.heal(**{"from": server, "to": victim, "both": False})
        self._trouble(link_name(server, victim), "dead", fact["cut_ns"], fact["heal_ns"])
        if self.wait(stream.are_done, DIAL_S + 20) is None:
            story.wrong("not every dial has ended")
        fact["reports"] = {node: stream.report(node) for node in nodes}
        stream.stop()
        self.facts["dial"] = fact
        self._tell_dials(fact)
        self.wait(self._links_alive, 15)

    def _tell_dials(self, fact):
        story, reports = self.story, fact["reports"]
        first = {node: first_frame_ms(report) for node, report in reports.items()}
        story.saw("first frame, by region: " + ", ".join(
            f"{node} {first[node]:.0f} ms" for node in sorted(first, key=lambda n: first[n] or 0) if first[node]))
        for node in (n for n, value in first.items() if value is None):
            verdict = reports[node]["verdict"] if reports[node] else {"sentence": "the dial left no report"}
            story.wrong(f"{node} saw nothing: {verdict['sentence']}")
        report = reports[fact["victim"]]
        for player, who in (("plain", "a player without a buffer"), ("buffered", "one that buffers a second")):
            total = sum(length for _, length in stalls(report, player))
            story.saw(f"at {fact['victim']} {who} stood still for {total / 1e3:.1f} s")
        calm = [n for n in reports if n != fact["victim"] and not stalls(reports[n])]
        story.saw(f"{len(calm)} of the {len(reports) - 1} others saw no stall")

    def show_mails(self):
        mails = self.mails()
        threads = len({m.root for m in mails})
        self.story.chapter(f"{len(mails)} mails in {threads} threads came to the operators")
        for mail in mails:
            after = ""
            for told in mail.told:
                near = [t for t in self.facts["troubles"] if t["what"] == told.what and t["start_ns"] <= mail.time_ns]
                if near and not after and told.event in ("opened", "resolved"):
                    moment = near[-1]["start_ns" if told.event == "opened" else "end_ns"]
                    after = f"  ({(mail.time_ns - moment) / 1e9:.1f} s after it {'began' if told.event == 'opened' else 'ended'})"
            self.story.saw(mail.subject + after)

    def wind_down(self):
        """Ends the streams, and lets the last probes be answered and reported."""
        self.story.chapter("The end: what was measured is compared with what the emulator did")
        self.facts["end_ns"] = time.time_ns()
        self.world.stop_media()
        self.fleet.poll()
        self.pause(6.0)
