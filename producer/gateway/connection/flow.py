"""When a connection is read: not while the application, or the parser, has enough."""

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's, which does not go on reading while something is not parsed yet."""

    _held = False

    def hold(self) -> None:
        if not self._held:
            self._held = True
            if not self.read_paused:
                self._transport.pause_reading()

    def let_go(self) -> None:
        if self._held:
            self._held = False
            if not self.read_paused:
                self._transport.resume_reading()

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            if not self._held:
                self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if not self._held and not self._transport.is_closing():
                self._transport.resume_reading()
