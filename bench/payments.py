"""What a payment costs: `./dev bench payments [--json] [--instances N]`; see bench/README.md.

Starts a platform of its own (`holdfast up` on a temporary directory), measures in interleaved
rounds, takes medians, and refuses to give figures for a run in which something stood still.
"""

import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
START_PATIENCE_S = 180
STOP_PATIENCE_S = 90
LOCK_WAIT_MAX_MS = 100
CLIENTS = (8, 16, 32)
BASELINES = ("locked", "delta")
BASELINE_NAME = "bench_baseline"
OURS = "bench_itself"
PURCHASE = {"amount": "1099", "currency": "usd", "confirm": "true"}


class Failed(Exception):
    """The run can't be believed; the text says why."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Platform:
    """`holdfast up` on a directory of its own."""

    def __init__(self, build, instances):
        self.directory = Path(tempfile.mkdtemp(prefix="hf-bench-"))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        ready = self.directory / "ready.json"
        self.output = self.directory / "up.log"
        say("starting the platform")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [build / "holdfast", "up", "--data", self.data, "--port", "0",
                 "--instances", str(instances), "--ready-file", ready,
                 "--db-pool-max", "4"],  # connections are left for pgbench
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        until = time.monotonic() + START_PATIENCE_S
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed("holdfast up did not get ready:\n" + self.output.read_text())
            time.sleep(0.05)
        self.urls = json.loads(ready.read_text())
        self.app_url = json.loads((self.data / "platform.json").read_text())["database_url"]
        # What waits longer is logged, so that a run with such a wait can be refused.
        self.sql(f"ALTER SYSTEM SET deadlock_timeout = '{LOCK_WAIT_MAX_MS}ms'")
        self.sql("SELECT pg_reload_conf()")

    def services(self):
        """Name -> pid."""
        running = json.loads((self.data / "supervisor.json").read_text())
        return {service["name"]: service["pid"] for service in running}

    def sql(self, text, url=None):
        done = subprocess.run(
            [POSTGRES_BIN / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
             url or self.urls["database_url"], "-c", text],
            capture_output=True, text=True, env={**os.environ, "PGAPPNAME": OURS})
        if done.returncode != 0:
            raise Failed(f"psql: {done.stderr}")
        return done.stdout.strip()

    def request(self, path, form):
        request = urllib.request.Request(
            self.urls["api_base"] + path, urllib.parse.urlencode(form).encode(),
            {"Authorization": "Bearer " + self.urls["secret_key"],
             "Idempotency-Key": str(uuid.uuid4())})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def metrics(self):
        with urllib.request.urlopen(self.urls["metrics_url"], timeout=30) as answer:
            return answer.read().decode()

    def database_log(self):
        return (self.data / "log" / "postgres-a.log").read_text(errors="replace")

    def end(self, keep):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if keep:
            say(f"left behind: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


# --- CPU time -----------------------------------------------------------------------------------

def process_table():
    """pid -> (parent, CPU seconds), from /proc/PID/stat.

    With the time of children that have ended: database processes come and go.
    """
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    table = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        table[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])) * tick_s)
    return table


def cpu_seconds(roots):
    """CPU time of each named process with all below it."""
    table = process_table()
    owner = {pid: name for name, pid in roots.items()}

    def name_of(pid):
        while pid in table:
            if pid in owner:
                return owner[pid]
            pid = table[pid][0]
        return None

    used = dict.fromkeys(roots, 0.0)
    for pid, (_, seconds) in table.items():
        name = name_of(pid)
        if name is not None:
            used[name] += seconds
    return used


# --- loads --------------------------------------------------------------------------------------

def run_load(platform, command):
    """A load of bench_payments: its report, with the CPU time of the window by process."""
    started = time.time()
    load = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    roots = {**platform.services(), "load_generator": load.pid}
    before = after = report = None
    for line in load.stdout:
        line = line.strip()
        if line == "measuring":
            before, started = cpu_seconds(roots), time.time()
        elif line == "measured":
            after, ended = cpu_seconds(roots), time.time()
        else:
            report = json.loads(line)
    if load.wait() != 0 or report is None:
        raise Failed(f"{command[1]} load failed, see above")
    report["cpu_us"] = {name: 1e6 * (after[name] - before[name]) / max(1, report["payments"])
                        for name in roots}
    report["batch_median"] = float(platform.sql(
        "SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY commands), 0) FROM seals"
        f" WHERE created BETWEEN to_timestamp({started}) AND to_timestamp({ended})"))
    return report


class Baseline:
    """pgbench with the rows of one of our payments; the SQL is in bench/payments/."""

    def __init__(self, platform):
        self.platform = platform
        self.scripts = {}
        values = self.sample()
        start = (HERE / "payments" / "baseline_start.sql").read_text()
        record = (HERE / "payments" / "baseline_record.sql").read_text()
        for kind in BASELINES:
            balances = (HERE / "payments" / f"baseline_{kind}.sql").read_text()
            text = start + record.replace("-- BALANCES\n", balances)
            for name, value in {**values, "account": f"'{self.make_account()}'"}.items():
                text = text.replace(f"@{name}@", value)
            left = re.search(r"@\w+@", text)
            assert left is None, left
            path = platform.directory / f"baseline_{kind}.sql"
            path.write_text(text)
            self.scripts[kind] = path

    def make_account(self):
        """A merchant for each baseline, so that none meets another's rows, nor the folder the
        balances that are updated in place. A live one: no load of ours takes it for its own."""
        account = self.platform.sql(
            "INSERT INTO accounts (id, public_id, livemode, name, created, fee_basis_points,"
            " fee_fixed_minor) VALUES (gen_random_uuid(), gen_random_uuid(), true, 'Baseline',"
            " now(), 290, 30) RETURNING id")
        self.platform.sql(
            "INSERT INTO balances (account_id, ledger, currency, amount_minor)"
            f" SELECT '{account}', ledger, 'usd', 0"
            " FROM unnest('{pending,fee_income,acquirer_receivable}'::text[]) AS ledger")
        return account

    def sample(self):
        """Literals for what the database only carries: from a payment of ours."""
        row = json.loads(self.platform.sql("""
            SELECT json_build_object(
                'payment_method', p.payment_method, 'intent_details', p.details,
                'operation_details', o.details, 'card', c.card,
                'billing_details', c.billing_details, 'charge_details', c.details,
                'authorization_code', c.authorization_code,
                'answer', (SELECT answer FROM replays ORDER BY length(answer) DESC LIMIT 1),
                'description', t.description,
                'event_created', (SELECT object FROM events WHERE object_id = p.id
                                  AND type = 'payment_intent.created'),
                'event_charge', (SELECT object FROM events WHERE object_id = c.id),
                'event_succeeded', (SELECT object FROM events WHERE object_id = p.id
                                    AND type = 'payment_intent.succeeded'))
            FROM payment_intents p JOIN charges c ON c.account_id = p.account_id
                AND c.id = p.latest_charge
            JOIN operations o ON o.account_id = p.account_id AND o.payment_intent = p.id
            JOIN balance_transactions t ON t.account_id = p.account_id
                AND t.id = c.balance_transaction
            WHERE p.status = 'succeeded' ORDER BY p.created DESC LIMIT 1"""))
        return {name: "NULL" if value is None else "'" + value.replace("'", "''") + "'"
                for name, value in row.items()}

    def run(self, kind, clients, seconds):
        done = subprocess.run(
            [POSTGRES_BIN / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1",
             "-T", str(seconds), "-D", f"n={int(time.time() * 1000)}", "-f", self.scripts[kind],
             self.platform.app_url],
            capture_output=True, text=True, env={**os.environ, "PGAPPNAME": BASELINE_NAME})
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
        if done.returncode != 0 or not found or (failed and int(failed[1])):
            raise Failed(f"pgbench: {done.stdout}{done.stderr}")
        return float(found[1])


# --- the bench ----------------------------------------------------------------------------------

class Bench:
    def __init__(self, options, platform):
        self.options = options
        self.platform = platform
        self.tool = Path(options.build) / "bench_payments"
        card = platform.request("/v1/payment_methods", {"type": "card", "card[token]": "tok_visa"})
        self.card = card["id"]
        platform.request("/v1/payment_intents", {**PURCHASE, "payment_method": self.card})
        self.baseline = Baseline(platform)
        self.rounds = []

    def window(self, warm_up=1.0):
        return ["--warm-up", warm_up, "--seconds", self.options.seconds]

    def processor(self):
        return run_load(self.platform, [
            self.tool, "processor", "--database-url", self.platform.app_url,
            "--id-secret-file", self.platform.data / "secrets" / "id_secret",
            "--in-flight", self.options.in_flight, *self.window()])

    def http(self, rate=0):
        return run_load(self.platform, [
            self.tool, "http", "--api-base", self.platform.urls["api_base"],
            "--secret-key", self.platform.urls["secret_key"], "--payment-method", self.card,
            "--connections", self.options.connections, "--rate", rate, *self.window()])

    def settle(self):
        """Latency is that of the load it is measured under: what the loads before have left to
        vacuum and to write back, mostly pgbench's, is done first."""
        self.platform.sql("VACUUM")
        for node in ("database_url", "standby_url"):
            self.platform.sql("CHECKPOINT", self.platform.urls[node])

    def round(self):
        result = {"processor": self.processor()}
        for clients in CLIENTS:
            for kind in BASELINES:
                result[kind, clients] = self.baseline.run(
                    kind, clients, self.options.pgbench_seconds)
        result["http"] = self.http()
        self.settle()
        result["half"] = self.http(result["http"]["per_s"] / 2)
        self.rounds.append(result)
        best = {kind: max(result[kind, c] for c in CLIENTS) for kind in BASELINES}
        say(f"round {len(self.rounds)}: processor {result['processor']['per_s']:.0f}/s, "
            f"locked {best['locked']:.0f}/s, delta {best['delta']:.0f}/s, "
            f"http {result['http']['per_s']:.0f}/s, "
            f"p99 at half {result['half']['p99_ms']:.1f} ms, "
            f"batch median {result['processor']['batch_median']:.0f} and, http, "
            f"{result['http']['batch_median']:.0f}, processor CPU "
            f"{result['processor']['cpu_us']['load_generator']:.0f} us")

    def median(self, pick):
        return statistics.median(pick(r) for r in self.rounds)

    def refuse_if_something_stood_still(self):
        for line in self.platform.database_log().splitlines():
            if "deadlock detected" in line:
                raise Failed(f"a deadlock: {line}")
            wait = re.search(r"(still waiting for|acquired) .* after ([\d.]+) ms", line)
            # The baseline waits for its own rows: that is what it is there to show. The bench's
            # VACUUM waits for autovacuum's, between the loads.
            ours = BASELINE_NAME in line or OURS in line
            if wait and float(wait[2]) > LOCK_WAIT_MAX_MS and not ours:
                raise Failed(f"a lock wait over {LOCK_WAIT_MAX_MS} ms: {line}")
        for line in self.platform.metrics().splitlines():
            if line.startswith("holdfast_loop_stall_total") and float(line.split()[-1]) > 0:
                raise Failed(f"a callback held the event loop for over 20 ms of CPU: {line}")

    def cpu_by_process(self):
        names = self.rounds[0]["http"]["cpu_us"]
        return {name: round(self.median(lambda r, n=name: r["http"]["cpu_us"][n]), 1)
                for name in names}

    def result(self):
        best = {kind: max(self.median(lambda r, k=(kind, c): r[k]) for c in CLIENTS)
                for kind in BASELINES}
        processor = self.median(lambda r: r["processor"]["per_s"])
        http = self.median(lambda r: r["http"]["per_s"])
        return {
            "processor_per_s": round(processor, 1),
            "baseline_locked_per_s": round(best["locked"], 1),
            "baseline_delta_per_s": round(best["delta"], 1),
            "processor_ratio": round(processor / best["locked"], 2),
            "delta_ratio": round(processor / best["delta"], 2),
            "http_per_s": round(http, 1),
            "http_ratio": round(http / best["locked"], 2),
            "p50_ms": self.median(lambda r: r["half"]["p50_ms"]),
            "p99_ms_half_load": self.median(lambda r: r["half"]["p99_ms"]),
            "cpu_us_per_payment": self.cpu_by_process(),
            "batch_median": math.floor(self.median(lambda r: r["processor"]["batch_median"])),
        }


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    parser.add_argument("--instances", type=int, default=1, help="serve processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each window of ours")
    parser.add_argument("--pgbench-seconds", type=int, default=3, help="of each baseline run")
    parser.add_argument("--in-flight", type=int, default=1024, help="payments at the processor")
    parser.add_argument("--connections", type=int, default=256, help="HTTP connections")
    parser.add_argument("--build", type=Path, default=HERE.parent / "build" / "release")
    parser.add_argument("--keep", action="store_true", help="leave the data directory behind")
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    platform = None
    try:
        platform = Platform(options.build.resolve(), options.instances)
        bench = Bench(options, platform)
        for _ in range(options.rounds):
            bench.round()
        bench.refuse_if_something_stood_still()
        result = bench.result()
    except Failed as failed:
        say(f"FAILED: {failed}")
        return 1
    finally:
        if platform is not None:
            platform.end(options.keep)
    print(json.dumps(result, indent=None if options.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
