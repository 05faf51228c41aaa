"""The timelines: what people do, what time does and what our commands do, in any order and badly disturbed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from library.issues.record import Status
from tests.simulation.outside import Act, CutOff, Fault, Key, Meanwhile, Plan
from tests.simulation.world import Exempt, World
from tests.world import MAIN, NAMES, OTHER, OWN_KEY

STEPS = 25
ACCOUNTS = st.sampled_from((MAIN, OTHER))
USERS = st.sampled_from(("ann", "bob", "svc-one", "svc-two"))
WHICH = st.integers(0, 7)
FAILURES = st.sampled_from(("denied", "lost", "reset", "throttled"))
SOON = st.tuples(st.just("minutes"), st.integers(1, 10))

DOINGS = (
    st.tuples(st.sampled_from(("use", "on", "off", "delete", "delete_user")), WHICH),
    st.tuples(st.just("rename"), WHICH, USERS),
)
# What a scan sees at once.
SEEN = st.tuples(st.sampled_from(("off_seen", "use_seen", "delete_seen", "on_seen")), WHICH)

meanwhile_acts = st.lists(
    st.one_of(
        SEEN,
        SEEN,
        st.tuples(st.just("scan"), ACCOUNTS),
        st.tuples(st.sampled_from(("report", "remediate", "restore"))),
        st.tuples(st.just("except"), WHICH),
        SOON,
        *DOINGS,
    ),
    min_size=1,
    max_size=3,
).map(tuple)


def plans(*operations: str) -> st.SearchStrategy[Plan]:
    """What may happen to a command at any of its calls, and mostly at one of these operations."""
    # Hypothesis likes what comes first.
    aimed = st.tuples(st.sampled_from(operations), st.sampled_from((1, 1, 2, 3)))
    calls = st.one_of(aimed, aimed, st.integers(1, 45))
    return st.one_of(
        st.none(),
        st.builds(CutOff, calls, st.booleans()),
        st.builds(Fault, calls, FAILURES, st.booleans()),
        st.builds(Meanwhile, calls, meanwhile_acts),
    )


SCAN = plans("UpdateItem", "PutItem", "ListUsers", "ListAccessKeys")
ARCHIVE = plans("TransactWriteItems", "UpdateItem")
REPORT = plans("jira POST", "UpdateItem", "slack chat.postMessage", "jira GET", "lease UpdateItem")
REMEDIATE = plans("UpdateAccessKey", "UpdateItem", "ListAccessKeys", "jira POST", "lease UpdateItem")
NOT_SWITCHED = st.builds(Fault, st.just(("UpdateAccessKey", 1)), FAILURES, st.booleans())


def profile(timelines: int, *, always_the_same: bool, shrink: bool = False) -> settings:
    """How this number of timelines is played."""
    return settings(
        derandomize=always_the_same,
        database=None,
        max_examples=timelines,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
        print_blob=False,
    )


class Timelines(RuleBasedStateMachine):
    """One example is one timeline; after every step nothing may be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.out.act = self._act

    def teardown(self) -> None:
        try:
            if not self.world.wrong:
                self.world.end_of_all()
            self.nothing_is_wrong()
        finally:
            self.world.close()

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.world.wrong, "\n".join(self.world.wrong)

    @initialize(
        retention=st.sampled_from((10, 3, 0)),
        floor=st.sampled_from((0, 5)),
        idle=st.lists(st.tuples(ACCOUNTS, USERS, st.integers(0, 40)), min_size=1, max_size=4),
        rounds=st.sampled_from((True, True, False)),
    )
    def begin(self, retention: int, floor: int, idle: list[tuple[str, str, int]], rounds: bool) -> None:
        world = self.world
        world.settings.least_retention_days = floor
        world.settings.configured_retention_days = retention
        world.write_files()
        world.create_key(MAIN, "hammer", 60, OWN_KEY)
        for account, name, days in idle:
            world.create_key(account, name, days)
        if rounds:
            world.catch_up()

    # --- time ---

    @rule(span=st.builds(timedelta, days=st.integers(0, 12), minutes=st.sampled_from((0, 7, 400))))
    def time_passes(self, span: timedelta) -> None:
        self.world.out.pass_time(span)

    def _until(self, span: timedelta) -> None:
        if span > timedelta():
            self.world.out.pass_time(span)

    # --- people ---

    @rule(account=ACCOUNTS, name=USERS, idle=st.integers(0, 30))
    def somebody_creates_a_key(self, account: str, name: str, idle: int) -> None:
        self.world.create_key(account, name, idle)

    @rule(act=st.one_of(*DOINGS))
    def somebody_does_something_to_a_key(self, act: Act) -> None:
        self._act(act)

    @rule(which=WHICH)
    def somebody_switches_on_what_we_switched_off(self, which: int) -> None:
        off = [key for key in self.world.existing_keys() if key.our_offs and key.status != "Active"]
        if off:
            self.world.switch(off[which % len(off)], "Active")

    @rule(which=WHICH, by=st.sampled_from(("key", "user", "beginning")), days=st.none() | st.integers(0, 10))
    def somebody_asks_for_an_exception(self, which: int, by: str, days: int | None) -> None:
        for key in self._chosen(which):
            entry = {"key": key.id, "user": key.user.name.upper(), "beginning": f"{key.user.name[:3]}*"}[by]
            until = None if days is None else (self.world.now + timedelta(days=days)).date()
            self.world.whitelist.append(Exempt(key.user.account, entry, until))
            self.world.write_files()

    @precondition(lambda self: self.world.whitelist)
    @rule(which=WHICH)
    def somebody_takes_an_exception_away(self, which: int) -> None:
        del self.world.whitelist[which % len(self.world.whitelist)]
        self.world.write_files()

    @rule(
        which=st.sets(WHICH, min_size=1, max_size=4),
        protected=st.sampled_from(("AccessDenied", "ServiceFailure", "")),
    )
    def somebody_protects_users(
        self, which: set[int], protected: Literal["", "AccessDenied", "ServiceFailure"]
    ) -> None:
        """From now on nobody can switch off the keys of these users, or everybody can again."""
        for key in (key for each in sorted(which) for key in self._chosen(each)):
            key.user.protected = protected

    @rule(protected=st.sampled_from(("AccessDenied", "ServiceFailure")))
    def nobody_can_switch_off_the_keys_of_two_users(
        self, protected: Literal["AccessDenied", "ServiceFailure"]
    ) -> None:
        """More than three of them, idle for longer than a key that can be switched off."""
        world = self.world
        for name in ("ann", "bob", "ann", "bob"):
            world.create_key(MAIN, name, 40)
            world.user(MAIN, name).protected = protected
        world.create_key(MAIN, "svc-one", 30)

    @rule(which=WHICH, deleted=st.booleans())
    def somebody_ends_a_ticket(self, which: int, deleted: bool) -> None:
        for key in self._chosen(which):
            for ticket in self.world.tickets(key):
                if deleted:
                    del self.world.out.jira.issues[ticket.key]
                else:
                    ticket.status = "Closed"

    @rule(
        change=st.one_of(
            st.tuples(st.just("criteria_days"), st.sampled_from((5, 10, 20))),
            st.tuples(st.just("configured_retention_days"), st.sampled_from((10, 3, 0))),
            st.tuples(st.just("least_retention_days"), st.sampled_from((0, 5))),
            st.tuples(st.sampled_from(("reporting", "remediation", "jira", "slack", "stopped")), st.booleans()),
            st.tuples(st.just("max_keys"), st.sampled_from((None, 1))),
            st.tuples(st.just("remediation_accounts"), st.sampled_from(((MAIN, OTHER), (MAIN,)))),
        )
    )
    def somebody_changes_the_configuration(self, change: tuple[str, Any]) -> None:
        setattr(self.world.settings, *change)
        self.world.write_files()

    # --- our commands ---

    @rule(account=ACCOUNTS, plan=SCAN)
    def scan(self, account: str, plan: Plan) -> None:
        self.world.scan(account, plan)

    @rule(which=WHICH, days=st.integers(11, 40), plan=SCAN)
    def scan_after_a_gap_in_which_a_key_was_used(self, which: int, days: int, plan: Plan) -> None:
        """No scan sees the key in use, and it is idle again when the next one comes."""
        world = self.world
        for key in self._chosen(which):
            world.use(key)
            world.out.pass_time(timedelta(days=days))
            world.scan(key.user.account, plan)

    @rule(retention=st.sampled_from((0, 3, 10)), days=st.integers(1, 40), scanned=st.booleans())
    def report_while_remediation_is_off_and_turn_it_on_later(self, retention: int, days: int, scanned: bool) -> None:
        world = self.world
        world.settings.remediation = False
        world.write_files()
        world.catch_up()
        world.out.pass_time(timedelta(days=days))
        world.settings.remediation, world.settings.configured_retention_days = True, retention
        world.write_files()
        for account in NAMES if scanned else ():
            world.scan(account)
        world.remediate()

    @rule(which=WHICH, owner=st.sampled_from(("", "joe", "ann")))
    def somebody_tags_a_user(self, which: int, owner: str) -> None:
        for key in self._chosen(which):
            key.user.tags = {"owner": owner} if owner else {}

    @rule(which=WHICH, late=st.sampled_from((-1, 0, 0, 1)), plan=SCAN)
    def scan_when_a_key_becomes_idle(self, which: int, late: int, plan: Plan) -> None:
        world = self.world
        keys = [key for key in world.existing_keys() if key.status == "Active" and not world.idle(key, world.now)]
        for key in keys[which % max(len(keys), 1) :][:1]:
            then = key.idle_since + timedelta(days=world.settings.criteria_days, seconds=late)
            self._until(then - world.now)
            world.scan(key.user.account, plan)

    @rule(plan=REPORT)
    def report(self, plan: Plan) -> None:
        self.world.report(plan)

    @rule(days=st.integers(1, 9), plan=REPORT)
    def report_days_after_a_scan(self, days: int, plan: Plan) -> None:
        self.world.scan(MAIN)
        self.world.scan(OTHER)
        self.world.out.pass_time(timedelta(days=days))
        self.world.report(plan)

    @rule(plan=REMEDIATE)
    def remediate(self, plan: Plan) -> None:
        self.world.remediate(plan)

    @rule(retention=st.sampled_from((0, 3, 10)), criteria=st.sampled_from((5, 10)), plan=REMEDIATE)
    def remediate_with_another_configuration(self, retention: int, criteria: int, plan: Plan) -> None:
        """On a laptop, say, that has its own copy of the configuration."""
        elsewhere = replace(self.world.settings, configured_retention_days=retention, criteria_days=criteria)
        self.world.remediate_elsewhere(elsewhere, plan)

    @rule(told=st.sampled_from(("jira POST", "slack chat.postMessage")))
    def remediate_while_somebody_exempts_everybody(self, told: str) -> None:
        """The keys that come after the first one of a run are exempt by then."""
        world = self.world
        world.settings.remediation = world.settings.reporting = True
        world.write_files()
        for account, name in ((MAIN, "ann"), (MAIN, "bob"), (OTHER, "ann")):
            world.create_key(account, name, 40)
        world.catch_up()
        promised = [date for _, _, date in self._reported() if date is not None]
        self._until(max(promised, default=world.now) - world.now)
        for account in (MAIN, OTHER):
            world.scan(account)
        world.remediate(Meanwhile((told, 1), tuple(("except", number) for number in range(8))))

    @precondition(lambda self: any(row.timestamps.remediated for row in self.world.rows.values()))
    @rule(plan=REMEDIATE)
    def restore(self, plan: Plan) -> None:
        self.world.restore(plan)

    @rule(which=WHICH, back=st.sampled_from(("by hand", "by hand", "restore", "not")), plan=ARCHIVE)
    def a_key_is_switched_on_more_than_a_year_after_it_was_switched_off(
        self, which: int, back: str, plan: Plan
    ) -> None:
        """Its issue is archived by then."""
        world = self.world
        world.settings.remediation = world.settings.reporting = True
        world.write_files()
        world.create_key(MAIN, "ann", 40)
        world.catch_up()
        world.out.pass_time(timedelta(days=world.settings.retention_days + 7))
        world.catch_up()
        world.remediate()
        world.catch_up()
        off = [key for key in world.existing_keys() if key.status != "Active"]
        world.out.pass_time(timedelta(days=366))
        world.scan(MAIN, plan)
        world.scan(OTHER)
        for key in off[which % max(len(off), 1) :][:1]:
            if back == "restore":
                world.restore()
            elif back == "by hand":
                world.switch(key, "Active")
        world.catch_up()
        world.remediate()

    @rule()
    def calm_round(self) -> None:
        self.world.catch_up()

    @rule(
        which=WHICH,
        late=st.sampled_from((timedelta(hours=-2), timedelta(), timedelta(hours=1))),
        shortly_before=st.sampled_from(("nothing", "nothing", "use", "off", "except", "on_again", "stop")),
        plan=st.one_of(REMEDIATE, NOT_SWITCHED),
        scanned=st.sampled_from((False, False, True)),
        fresh=st.sampled_from((True, True, False)),
    )
    def remediate_when_a_key_is_due(
        self, which: int, late: timedelta, shortly_before: str, plan: Plan, scanned: bool, fresh: bool
    ) -> None:
        world = self.world
        world.settings.remediation = world.settings.reporting = True
        world.write_files()
        if not self._reported():
            world.create_key(MAIN, "ann", 40)
            world.catch_up()
        reported = self._reported()
        if not reported:
            return
        key, since, promised = reported[which % len(reported)]
        over = since + timedelta(days=world.settings.retention_days)
        # A promise is written to the microsecond, IAM's times to the second.
        self._until(max(over, promised or over) + late - world.now)
        if fresh:
            world.scan(key.user.account)
        match shortly_before:
            case "use":
                world.use(key)
            case "off":
                world.switch(key, "Inactive")
            case "except":
                world.whitelist.append(Exempt(key.user.account, key.user.name))
                world.write_files()
            case "on_again":
                world.remediate()
                world.switch(key, "Active")
                world.catch_up()
            case "stop":
                world.settings.stopped = True
                world.write_files()
        world.remediate(plan)
        world.settings.stopped = False
        world.write_files()
        if scanned:
            world.scan_that_sees_late(key.user.account)

    def _reported(self) -> list[tuple[Key, datetime, datetime | None]]:
        """The keys that people were told of, since when, and the date that was promised."""
        return [
            (key, row.timestamps.reported, row.timestamps.promised)
            for key in self.world.existing_keys()
            if (row := self.world.rows.get((key.user.account, key.id))) is not None
            and row.status is Status.OPEN
            and row.timestamps.reported is not None
        ]

    # --- what may happen in the middle ---

    def _chosen(self, which: int) -> list[Key]:
        keys = self.world.existing_keys()
        return [keys[which % len(keys)]] if keys else []

    def _act(self, act: Act) -> None:
        world, (what, *arguments) = self.world, act
        if what == "minutes":
            world.out.pass_time(timedelta(minutes=arguments[0]))
        elif what == "scan":
            world.scan(arguments[0])
        elif what in ("report", "remediate", "restore"):
            getattr(world, what)()
        else:
            for key in self._chosen(arguments[0]):
                self._do(key, what.removesuffix("_seen"), *arguments[1:])
                if what.endswith("_seen"):
                    world.scan(key.user.account)

    def _do(self, key: Key, what: str, *arguments: str) -> None:
        world = self.world
        match what:
            case "use":
                world.use(key)
            case "on":
                world.switch(key, "Active")
            case "off":
                world.switch(key, "Inactive")
            case "delete":
                world.delete(key)
            case "delete_user":
                world.delete_user(key)
            case "except":
                world.whitelist.append(Exempt(key.user.account, key.user.name))
                world.write_files()
            case "rename":
                world.rename(key, *arguments)
