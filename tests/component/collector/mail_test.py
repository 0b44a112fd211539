"""Mail about faults, from the collector's own code to real SMTP servers, good and bad.

    mail_test.py MAIL_DRIVER COLLECTOR LINKPILOT
"""

import hmac
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.dom.minidom

import PIL.Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import http_servers as http  # noqa: E402
import smtp_servers as smtp  # noqa: E402

DRIVER, COLLECTOR, LINKPILOT = sys.argv[1:4]
TIMEOUT_S = 2


def mail_section(port, to=("ops@example.net",), **keys):
    values = {"server": f"127.0.0.1:{port}", "security": "none", "from": "LinkPilot <linkpilot@example.net>",
              "to": list(to), "timeout": f"{TIMEOUT_S}s", "retry_min": "300ms", "retry_max": "1s", "group_wait": "0s",
              "rate_per_hour": 200, "summary_at": "", **keys}
    return "[mail]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


class Place(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="linkpilot-mail-test-")
        self.addCleanup(place.cleanup)
        self.folder = place.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class Spool(Place):
    """Faults that must be told, whatever the server and the process go through."""

    def start_afresh(self):
        shutil.rmtree(self.folder)
        os.mkdir(self.folder)

    def start(self, port, count, mode=(), more="", **keys):
        config = self.write("driver.toml", f'[store]\npath = "{self.path("store.sqlite")}"\n' +
                            mail_section(port, **keys) + more)
        log = open(self.path("log"), "a", encoding="utf-8")
        self.addCleanup(log.close)
        child = subprocess.Popen([DRIVER, config, str(count), *mode], stderr=log)
        self.addCleanup(lambda: child.poll() is not None or child.kill())
        return child

    def finish(self, child, patience_s=30):
        self.assertEqual(child.wait(patience_s), 0, self.log())

    def log(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def end(self, child):
        child.send_signal(signal.SIGTERM)
        child.wait(10)

    def test_mails_arrive_whole_and_once_and_a_strict_parser_likes_them(self):
        with smtp.Server() as server:
            self.finish(self.start(server.port, 5, to=["ops@example.net", "Zürich <z@example.net>"]))
            self.finish(self.start(server.port, 5))  # all told: nothing to do
            messages = server.mailbox.messages()
        self.assertEqual(len(messages), 5)
        self.assertEqual(len({m["Message-ID"] for m in messages}), 5)
        for message in messages:
            self.assertEqual(message["Auto-Submitted"], "auto-generated")
            self.assertRegex(message["Subject"], r"^\[down\] node n\d, since \d\d:\d\d:\d\d UTC$")
            self.assertEqual([a.addr_spec for a in message["To"].addresses], ["ops@example.net", "z@example.net"])
            self.assertEqual(message["To"].addresses[1].display_name, "Zürich")
            self.assertEqual(message.get_content_type(), "multipart/alternative")
            for kind in ("plain", "html"):
                self.assertIn("no peer reaches it: ü", message.get_body((kind,)).get_content())
            self.assertEqual(message.defects, [])

    def test_the_chart_is_a_picture_that_others_read_and_the_mail_is_small(self):
        with smtp.Server() as server:
            self.finish(self.start(server.port, 2, ["links"]))
            messages = server.mailbox.messages()
            sizes = [len(octets) for _, octets in server.mailbox.mails]
        self.assertEqual(len(messages), 2)
        self.assertLess(max(sizes), 100_000)
        for message in messages:
            text, related = message.iter_parts()
            html, chart = related.iter_parts()
            self.assertEqual([p.get_content_type() for p in (text, related, html, chart)],
                             ["text/plain", "multipart/related", "text/html", "image/png"])
            self.assertIn(f'src="cid:{chart["Content-ID"][1:-1]}"', html.get_content())
            self.assertIn("198.51.100.7 (Telecom) -> 203.0.113.9 (Singtel)", text.get_content())
            with PIL.Image.open(io.BytesIO(chart.get_content())) as picture:
                picture.load()
                self.assertEqual((picture.format, picture.size, picture.mode), ("PNG", (1120, 560), "RGB"))
                colours = {colour for _, colour in picture.getcolors(1 << 20)}
            self.assertLessEqual({(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0xFF, 0xFF, 0xFF)}, colours)
            self.assertEqual(message.defects, [])
            xml.dom.minidom.parseString(re.sub(r"<(meta|img)([^>]*)>|<!DOCTYPE html>|&(middot|nbsp);", "",
                                               html.get_content()))

    def test_what_begins_together_is_one_mail_and_ends_in_its_thread(self):
        with smtp.Server() as server:
            self.finish(self.start(server.port, 12, ["resolve"], group_wait="300ms"))
            first, last = server.mailbox.messages()
        self.assertRegex(first["Subject"], r"^\[down\] 12 faults: node n0, since 14:30:00 UTC and others$")
        self.assertEqual(last["Subject"], first["Subject"].replace("[down]", "[resolved]"))
        self.assertEqual(last["In-Reply-To"], first["Message-ID"])
        self.assertEqual(len(first.get_all("X-LinkPilot-Fault")), 12)
        for number in range(12):
            self.assertIn(f"node n{number} ", first.get_body(("plain",)).get_content())

    def test_killed_at_random_moments_groups_tell_each_fault_once(self):
        rng = random.Random(11)
        with smtp.Server() as server:
            for _ in range(8):
                child = self.start(server.port, 30, group_wait="200ms")
                time.sleep(rng.uniform(0.05, 0.5))
                child.kill()
                child.wait()
            self.finish(self.start(server.port, 30, group_wait="200ms"), 60)
            messages = {m["Message-ID"]: m for m in server.mailbox.messages()}
        told = [field.split(";")[0] for m in messages.values() for field in m.get_all("X-LinkPilot-Fault")]
        tables = "".join(m.get_body(("plain",)).get_content() for m in messages.values())
        self.assertEqual(len(told), len(set(told)))
        self.assertEqual({n for n in range(30) if f"node n{n} " in tables}, set(range(30)))

    def test_names_that_try_to_break_out_stay_where_they_are(self):
        with smtp.Server() as server:
            self.finish(self.start(server.port, 1, ["hostile"]))
            (recipients, octets), = server.mailbox.mails
            message, = server.mailbox.messages()
        self.assertEqual(recipients, ["ops@example.net"])
        self.assertNotIn("Bcc", message)
        self.assertIn("node n??Bcc: evil@example.net", message["Subject"])
        self.assertNotIn("<script", message.get_body(("html",)).get_content())
        self.assertNotIn(b"\nRCPT", octets)

    def test_recipients_differ_by_severity_and_region_and_language_is_chosen(self):
        rules = ('[[mail.recipients]]\nto = ["duty@example.net"]\nseverity = "critical"\n'
                 '[[mail.recipients]]\nto = ["us@example.net"]\nregions = ["us"]\n'
                 '[[mail.recipients]]\nto = ["eu@example.net"]\nregions = ["eu-central"]\nvendors = ["Telecom"]\n')
        with smtp.Server() as server:
            self.finish(self.start(server.port, 1, more=rules, language="zh", time_zone="Asia/Shanghai"))
            (recipients, _), = server.mailbox.mails
            message, = server.mailbox.messages()
        self.assertEqual(recipients, ["ops@example.net", "duty@example.net", "eu@example.net"])
        self.assertEqual(message["Subject"], "[宕机] 节点 n0，始于 22:30:00 CST")

    def test_a_heartbeat_comes_until_nobody_is_there_to_send_it(self):
        with smtp.Server() as server:
            child = self.start(server.port, 0, heartbeat_interval="1s", heartbeat_to=["dead@example.net"])
            self.finish(child)
            self.assertGreaterEqual(len(server.mailbox.mails), 1)
            self.assertEqual(server.mailbox.mails[0][0], ["dead@example.net"])
            self.assertIn("next=", server.mailbox.messages()[0]["X-LinkPilot-Heartbeat"])

    def test_a_signed_webhook_gets_each_event_once_and_in_order(self):
        secret = self.write("secret", "k3y\n")
        with http.Hook([500, 503, 200]) as hook, smtp.Server() as server:
            section = f'[webhook]\nurl = "{hook.url}"\nsecret_file = "{secret}"\nretry_min = "100ms"\n'
            self.finish(self.start(server.port, 2, ["resolve"], section))
            posts = hook.posts
        self.assertEqual(len({p.headers["X-LinkPilot-Delivery"] for p in posts[:3]}), 1)
        events = [json.loads(p.body) for p in posts[2:]]
        self.assertEqual([e["reason"] for e in events], ["opened", "opened", "resolved", "resolved"])
        for post in posts:
            stamp = post.headers["X-LinkPilot-Timestamp"]
            self.assertLess(abs(time.time() - int(stamp)), 60)
            digest = hmac.new(b"k3y", stamp.encode() + b"." + post.body, "sha256").hexdigest()
            self.assertEqual(post.headers["X-LinkPilot-Signature"], f"sha256={digest}")

    def test_an_alertmanager_sees_faults_open_and_over(self):
        with smtp.Server() as server, http.Alertmanager(self.folder) as alertmanager:
            section = f'[alertmanager]\nurl = "{alertmanager.url}"\nrefresh_interval = "1s"\n'
            child = self.start(server.port, 3, [], section)
            self.finish(child)
            alerts = alertmanager.alerts()
            self.assertEqual({a["labels"]["subject"] for a in alerts}, {"node n0", "node n1", "node n2"})
            for alert in alerts:
                self.assertEqual(alert["labels"]["severity"], "critical")
                self.assertEqual(alert["labels"]["alertname"], "LinkPilotFault")
                self.assertIn("no peer reaches it", alert["annotations"]["description"])
            # Nobody refreshes them any more: they end by themselves.
            deadline = time.monotonic() + 15
            while alertmanager.alerts() and time.monotonic() < deadline:
                time.sleep(0.2)
            self.assertEqual(alertmanager.alerts(), [])
            self.start_afresh()
            self.finish(self.start(server.port, 3, ["resolve"], section))
            self.assertEqual(alertmanager.alerts(), [])

    def test_a_server_that_is_down_for_a_while_gets_everything_later(self):
        port = smtp.free_port()
        child = self.start(port, 3)
        time.sleep(2)
        self.assertIsNone(child.poll())
        with smtp.Server(port=port) as server:
            self.finish(child)
            self.assertEqual(len(set(server.mailbox.ids())), 3)
            self.assertEqual(len(server.mailbox.mails), 3)
        self.assertIn("mail_delayed", self.log())

    def test_what_waits_survives_a_kill(self):
        port = smtp.free_port()
        child = self.start(port, 3)
        time.sleep(1)
        child.kill()
        child.wait()
        with smtp.Server(port=port) as server:
            self.finish(self.start(port, 3))
            self.assertEqual((len(server.mailbox.mails), len(set(server.mailbox.ids()))), (3, 3))

    def test_killed_in_the_middle_of_a_transaction_the_mail_is_taken_once(self):
        for stop_at in (b"MAIL", b"RCPT", b"DATA", b"body"):
            with self.subTest(stop_at=stop_at):
                self.start_afresh()
                with smtp.RawServer(smtp.dialogue(stop_at)) as stalled:
                    child = self.start(stalled.port, 1, timeout="60s")
                    deadline = time.monotonic() + 10
                    wanted = b"SUBJECT:" if stop_at == b"body" else stop_at
                    while wanted not in bytes(stalled.heard).upper() and time.monotonic() < deadline:
                        time.sleep(0.02)
                    child.kill()
                    child.wait()
                with smtp.Server() as server:
                    self.finish(self.start(server.port, 1))
                    self.assertEqual(len(server.mailbox.mails), 1)

    def test_killed_at_random_moments_every_event_is_told_under_one_name(self):
        rng = random.Random(7)
        with smtp.Server() as server:
            for _ in range(12):
                child = self.start(server.port, 40)
                time.sleep(rng.uniform(0.02, 0.5))
                child.kill()
                child.wait()
            self.finish(self.start(server.port, 40), 60)
            ids = server.mailbox.ids()
            contents = {}
            for message_id, (_, octets) in zip(ids, server.mailbox.mails):
                contents.setdefault(message_id, set()).add(octets)
            # What the server took shortly before a kill, and the store did not yet know, was sent again, the same;
            # what the store knows is not.
            self.finish(self.start(server.port, 40), 60)
            self.assertEqual(len(server.mailbox.ids()), len(ids))
        self.assertEqual(len(contents), 40)
        self.assertEqual({len(each) for each in contents.values()}, {1})

    def test_one_recipient_refused_does_not_lose_the_others(self):
        mailbox = smtp.Mailbox({"gone@example.net": ["550 5.1.1 no such user"]})
        with smtp.Server(mailbox) as server:
            self.finish(self.start(server.port, 2, to=["gone@example.net", "ops@example.net"]))
        self.assertEqual([to for to, _ in mailbox.mails], [["ops@example.net"]] * 2)
        self.assertIn("mail_refused", self.log())
        self.assertIn("no such user", self.log())

    def test_a_greylisting_server_gets_it_again_and_only_for_whom_it_waits(self):
        mailbox = smtp.Mailbox({"grey@example.net": ["451 4.7.1 later", "451 4.7.1 later", "250 OK"]})
        with smtp.Server(mailbox) as server:
            self.finish(self.start(server.port, 1, to=["grey@example.net", "ops@example.net"]))
        self.assertEqual([to for to, _ in mailbox.mails], [["ops@example.net"], ["grey@example.net"]])
        self.assertEqual(len(set(mailbox.ids())), 1)

    def test_servers_that_never_come_to_the_point_do_not_hold_the_mailer(self):
        for talk in (smtp.endless_greeting, smtp.endless_line, smtp.octet_a_second, smtp.silent,
                     smtp.dialogue(b"RCPT"), smtp.dialogue(b".")):
            with self.subTest(talk=talk.__qualname__), smtp.RawServer(talk) as server:
                self.start_afresh()
                child = self.start(server.port, 1, retry_min="30s", retry_max="60s")
                deadline = time.monotonic() + TIMEOUT_S + 15
                while "mail_delayed" not in self.log() and time.monotonic() < deadline:
                    time.sleep(0.1)
                self.assertIn("mail_delayed", self.log())
                self.end(child)

    def test_a_server_that_takes_the_mail_and_stalls_at_the_end_has_it(self):
        with smtp.RawServer(smtp.dialogue(b"QUIT")) as server:
            self.finish(self.start(server.port, 1))
        self.assertIn("mail_handed", self.log())

    def test_a_full_spool_drops_the_oldest_and_says_so(self):
        port = smtp.free_port()
        child = self.start(port, 8, spool_max=5)
        time.sleep(1.5)
        self.assertEqual(self.log().count("event=mail_dropped") + self.log().count(" mail_dropped "), 3, self.log())
        with smtp.Server(port=port) as server:
            self.finish(child)
            self.assertEqual(len(server.mailbox.mails), 5)


class Server(Place):
    """`linkpilot fault mail test` against a collector, for what is about security."""

    process = None

    def collector(self, section):
        if self.process:  # one writer a store
            self.process.terminate()
            self.process.wait()
        subprocess.run([COLLECTOR, "--init", self.folder], check=True, capture_output=True)
        config = self.write("test.toml", '[listen]\nagents = "tcp://127.0.0.1:*"\nhttp = "127.0.0.1:0"\n'
                            '[keys]\ncurve_file = "collector.key"\nsigning_file = "routes.key"\n'
                            'enrolled_directory = "enrolled"\n[store]\npath = "collector.sqlite"\n'
                            '[api]\ntoken_file = "token"\n' + section)
        process = subprocess.Popen([COLLECTOR, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process = process
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['http_port']}"

    def run_mail_test(self, *options, token="token"):
        return subprocess.run([LINKPILOT, "--collector", self.url, "--token-file", self.path(token), "--json", "fault",
                               "mail", "test", *options], capture_output=True, text=True, timeout=60, check=False)

    def mail_test(self, *options, token="token"):
        run = self.run_mail_test(*options, token=token)
        self.assertNotEqual(run.returncode, 2, run.stderr)
        return run.returncode, json.loads(run.stdout) if run.stdout else {"stderr": run.stderr}

    def refused(self, section, *words):
        self.collector(section)
        code, answer = self.mail_test()
        self.assertEqual(code, 1, answer)
        for word in words:
            self.assertIn(word, answer["error"])
        return answer

    def test_a_test_mail_arrives_where_it_should(self):
        with smtp.Server() as server:
            self.collector(mail_section(server.port))
            self.assertEqual(self.mail_test()[0], 0)
            self.assertEqual(self.mail_test("--to", "other@example.net")[0], 0)
            forged = self.run_mail_test("--to", "x@example.net\r\nRCPT TO:<evil@example.net>")
            self.assertEqual((forged.returncode, "is no mail address" in forged.stderr), (2, True), forged.stderr)
            self.assertEqual([to for to, _ in server.mailbox.mails], [["ops@example.net"], ["other@example.net"]])
            self.assertEqual(server.mailbox.messages()[0]["Subject"], "[test] LinkPilot can reach you")
            self.write("wrong", "x" * 48)
            self.assertEqual(self.mail_test(token="wrong")[0], 3)
            self.assertEqual(len(server.mailbox.mails), 2)

    def test_without_a_server_it_says_what_to_configure(self):
        self.collector("")
        code, answer = self.mail_test()
        self.assertEqual(code, 3)
        self.assertIn("[mail] server", answer["stderr"])

    def test_starttls_with_a_known_certificate_and_the_right_password(self):
        certificate, key = smtp.make_certificate(self.folder, "good", "IP:127.0.0.1")
        self.write("password", "s3cret\n")
        with smtp.Server(tls=smtp.tls_context(certificate, key), password="s3cret", require_starttls=True) as server:
            self.collector(mail_section(server.port, security="starttls", ca_file=certificate, user="linkpilot",
                                        password_file="password"))
            self.assertEqual(self.mail_test()[0], 0)
            self.assertEqual(server.mailbox.sessions_encrypted, [True])

    def test_a_wrong_password_is_named_and_not_shown(self):
        certificate, key = smtp.make_certificate(self.folder, "good", "IP:127.0.0.1")
        self.write("password", "wr0ng-s3cret\n")
        with smtp.Server(tls=smtp.tls_context(certificate, key), password="s3cret", require_starttls=True) as server:
            answer = self.refused(mail_section(server.port, security="starttls", ca_file=certificate, user="linkpilot",
                                               password_file="password"), "password_file", "535")
            self.assertNotIn("s3cret", json.dumps(answer))
            self.assertEqual(server.mailbox.mails, [])

    def test_a_certificate_nobody_vouches_for_is_refused_unless_configured(self):
        certificate, key = smtp.make_certificate(self.folder, "unknown", "IP:127.0.0.1")
        with smtp.Server(tls=smtp.tls_context(certificate, key), require_starttls=True) as server:
            self.refused(mail_section(server.port, security="starttls"), "verify_certificate")
            self.assertEqual(server.mailbox.mails, [])
            self.collector(mail_section(server.port, security="starttls", verify_certificate=False))
            self.assertEqual(self.mail_test()[0], 0)

    def test_a_certificate_for_another_name_is_refused(self):
        certificate, key = smtp.make_certificate(self.folder, "other", "DNS:other.example.net")
        with smtp.Server(tls=smtp.tls_context(certificate, key), require_starttls=True) as server:
            self.refused(mail_section(server.port, security="starttls", ca_file=certificate), "verify_certificate")
            self.assertEqual(server.mailbox.mails, [])

    def test_without_starttls_nothing_is_sent_in_clear(self):
        self.write("password", "s3cret\n")
        with smtp.RawServer(smtp.dialogue(b"NEVER")) as server:
            self.refused(mail_section(server.port, security="starttls", user="linkpilot", password_file="password"), "in clear")
            heard = bytes(server.heard).upper()
        for word in (b"MAIL FROM", b"AUTH", b"S3CRET", b"RCPT"):
            self.assertNotIn(word, heard)

    def test_a_plain_server_on_a_tls_port_gets_no_command(self):
        with smtp.RawServer(smtp.dialogue(b"NEVER")) as server:
            self.refused(mail_section(server.port, security="tls"))
            self.assertNotIn(b"MAIL FROM", bytes(server.heard).upper())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
