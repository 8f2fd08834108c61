"""Coming back after a crash, as the policy node offers it: a warning, a status and a service."""

from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from std_srvs.srv import Trigger

from ttt_ros.adaptation.recovery import Recovery
from ttt_ros.control.session import Session
from ttt_ros.errors import RecoveryError
from ttt_ros.nodes import diagnostics
from ttt_ros.nodes.mode_log import in_words
from ttt_ros.safeguard.ladder import Mode

SERVICE = "~/adaptation/recover"


class PolicyRecovery:
    """Keeps what the safeguard trusts while the node is active, and tells what a crash left. Without a folder it does nothing."""

    def __init__(self, node: Node, session: Session, folder: Path | None) -> None:
        """Looks for a crash and says what it found."""
        self._node = node
        self._session = session
        self._folder = folder
        self._recovery: Recovery | None = None
        self._unusable = ""
        self._recovered = ""
        self._told = ""
        if folder is not None:
            try:
                self._recovery = Recovery(
                    folder, base=session.store.base, base_checksum=session.policy.checksum, config=session.learner.config
                )
            except RecoveryError as error:
                self._unusable = f"nothing is kept for the case of a crash: {error}"
                node.get_logger().warning(self._unusable)
        if self._crash_in_words:
            node.get_logger().warning(self._crash_in_words)
        self._service = node.create_service(Trigger, SERVICE, self._on_recover)

    def begin(self) -> None:
        """The node is activated."""
        if self._recovery is not None:
            self._recovery.begin()
            self._tell_failure()

    def keep(self, now: int) -> None:
        """Looks at what the safeguard trusts at ``now`` (nanoseconds); what a silent one would trust is no word of it."""
        if self._recovery is None:
            return
        order = self._session.loop.orders.in_force(now)
        if not order.silence:
            self._recovery.keep(order.trusted_version, self._session.store, self._session.learner.config)
        self._tell_failure()

    def end(self) -> None:
        """The node is deactivated."""
        if self._recovery is not None:
            self._recovery.end()
            self._tell_failure()

    def close(self) -> None:
        """The node is cleaned up. A run that was not ended counts as crashed."""
        self._node.destroy_service(self._service)
        if self._recovery is not None:
            self._recovery.close()

    def statuses(self) -> list[DiagnosticStatus]:
        """One, if there is a folder."""
        if self._folder is None:
            return []
        recovery = self._recovery
        trouble = self._unusable or (recovery.failure if recovery else "")
        message = trouble or self._recovered or self._crash_in_words or "the run before ended properly, or there was none"
        settled = not trouble and (self._recovered or not self._crash_in_words)
        values: dict[str, object] = {"folder": self._folder, "version kept": recovery.kept if recovery else 0}
        level = DiagnosticStatus.OK if settled else DiagnosticStatus.WARN
        return [diagnostics.status(self._node, "recovery", level, message, values)]

    @property
    def _crash_in_words(self) -> str:
        crash = self._recovery.crash if self._recovery is not None else None
        if crash is None:
            return ""
        came_back = f"this node came back after a crash and acts in base: {crash.run}"
        if crash.version is None:
            return f"{came_back}; no weights of it are offered: {crash.refusal}"
        service = self._node.resolve_service_name(SERVICE)
        return (
            f"{came_back}; its version {crash.version.number} ({crash.version.checksum:.12}), kept {crash.saved}, is offered by {service}"
        )

    def _tell_failure(self) -> None:
        failure = self._recovery.failure if self._recovery is not None else ""
        if failure and failure != self._told:
            self._node.get_logger().warning(failure)
        self._told = failure

    def _on_recover(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        reason = self._reason_against()
        if reason:
            response.success, response.message = False, reason
            return response
        offered = self._recovery.crash.version
        adopted = self._session.adopt(offered)
        self._recovered = f"version {adopted.number} is version {offered.number} of the run before, in epoch {self._session.store.epoch}"
        self._node.get_logger().info(f"recovered: {self._recovered}")
        response.success, response.message = True, self._recovered
        return response

    def _reason_against(self) -> str:
        if self._folder is None:
            return "nothing was kept for the case of a crash; set adaptation.recovery_directory"
        if self._recovery is None:
            return self._unusable
        crash = self._recovery.crash
        if crash is None:
            return "there is nothing to recover: the run before ended properly, or there was none"
        if crash.version is None:
            return f"nothing can be recovered: {crash.refusal}"
        if self._recovered:
            return f"it was recovered before: {self._recovered}"
        order = self._session.loop.orders.in_force(self._node.get_clock().now().nanoseconds)
        if order.mode != Mode.ADAPTING:
            # In base the weights would not act, and the safeguard's next step would take them back.
            return f"the safeguard does not permit adapting yet: {in_words(order.mode, order.reasons)}; ask again when it does"
        return ""
