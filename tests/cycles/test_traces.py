"""A trace decodes with Perfetto's own messages, its tracks are named and ordered, and its times are those of the estimate."""

import jax
import jax.numpy as jnp
import pytest
from google.protobuf import unknown_fields
from jax import lax
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackDescriptor, TrackEvent

from jax_ascend import estimate


def shape(*dims, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(dims, dtype)


def unknown(message):
    """Fields, at any depth, that the message types do not have."""
    yield from unknown_fields.UnknownFieldSet(message)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from unknown(inner)


class Decoded:
    """Slices and counters of a trace by the names of their tracks, from the root; orders of the tracks."""

    def __init__(self, data):
        trace = Trace()
        trace.ParseFromString(data)
        assert list(unknown(trace)) == [], "everything is a field that Perfetto knows"
        texts = next(p.interned_data for p in trace.packet if p.HasField("interned_data"))
        tables = {
            "names": {e.iid: e.name for e in texts.event_names},
            "categories": {e.iid: e.name for e in texts.event_categories},
            "keys": {e.iid: e.name for e in texts.debug_annotation_names},
            "strings": {e.iid: e.str.decode() for e in texts.debug_annotation_string_values},
        }
        self.tracks, self.ranks, self.slices, self.counters = {}, {}, [], []
        open_slices, last = {}, 0
        for packet in trace.packet:
            assert packet.trusted_packet_sequence_id == 1
            if packet.HasField("track_descriptor"):
                d = packet.track_descriptor
                assert d.uuid not in self.tracks and (not d.parent_uuid or d.parent_uuid in self.tracks)
                name = d.process.process_name if d.HasField("process") else d.name
                assert name, "a track without a name"
                self.tracks[d.uuid] = (*self.tracks.get(d.parent_uuid, ()), name)
                self.ranks[self.tracks[d.uuid]] = d.sibling_order_rank
                assert d.HasField("counter") or d.child_ordering == TrackDescriptor.EXPLICIT
            if packet.HasField("track_event"):
                assert packet.timestamp >= last, "packets are in order of time"
                last, e = packet.timestamp, packet.track_event
                stack = open_slices.setdefault(e.track_uuid, [])
                if e.type == TrackEvent.TYPE_SLICE_BEGIN:
                    args = {tables["keys"][a.name_iid]: self.value(a, tables["strings"]) for a in e.debug_annotations}
                    stack.append((tables["names"][e.name_iid], packet.timestamp, args))
                elif e.type == TrackEvent.TYPE_SLICE_END:
                    name, start, args = stack.pop()
                    self.slices.append((self.tracks[e.track_uuid], name, start, packet.timestamp, args))
                else:
                    assert e.type == TrackEvent.TYPE_COUNTER
                    self.counters.append((self.tracks[e.track_uuid], packet.timestamp, e.counter_value))
        assert not any(open_slices.values()), "every slice ends"
        assert len(set(self.tracks.values())) == len(self.tracks), "no two tracks of one name"

    @staticmethod
    def value(annotation, strings):
        field = annotation.WhichOneof("value")
        return strings[annotation.string_value_iid] if field == "string_value_iid" else getattr(annotation, field)

    def on(self, track):
        return [s for s in self.slices if s[0][-1] == track]


def step(x, w, v):
    with jax.named_scope("layer"):
        y = jax.nn.gelu(x @ w)
    y = lax.fori_loop(0, 7, lambda i, y: jnp.tanh(y @ y), y)
    jax.debug.callback(lambda _: None, y.sum())
    return jnp.sort(y @ v, 0), x


ARGUMENTS = [shape(384, 256), shape(256, 384), shape(384, 100)]


@pytest.fixture(scope="module")
def found():
    return estimate(step, *ARGUMENTS)


@pytest.fixture(scope="module")
def trace(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "step.pftrace"
    found.trace(path)
    return Decoded(path.read_bytes())


def test_slices_sum_to_the_times_of_the_estimate(found, trace):
    work = {}
    for track in ("kernels", "AICPU", "copies", "host"):
        for _, name, start, end, _ in trace.on(track):
            key = name.split(" x ")[0]
            work[key] = work.get(key, 0) + (end - start) / 1e9
    assert set(work) == {r.name for r in found.kernels}
    for row in found.by("kernel"):
        same = [r for r in found.kernels if r.name == row.name]
        expected = sum(r.seconds - r.dispatch for r in same)
        assert work[row.name] == pytest.approx(expected, rel=0.01, abs=2e-9 * len(same))
    dispatch = sum(end - start for _, _, start, end, _ in trace.on("dispatch")) / 1e9
    assert dispatch == pytest.approx(found.dispatch, rel=0.01)


def test_it_ends_where_the_program_ends(found, trace):
    assert max(end for _, _, _, end, _ in trace.slices) == pytest.approx(found.seconds * 1e9, abs=2)
    assert min(start for _, _, start, _, _ in trace.slices) == 0
    assert max(time for _, time, _ in trace.counters) <= round(found.seconds * 1e9) + 1


def test_tracks_are_the_device_its_cores_and_their_pipes_in_order(found, trace):
    (device,) = {path[0] for path in trace.tracks.values()}
    assert device == "ascend910b: jit_step"
    second = sorted((p for p in trace.tracks.values() if len(p) == 2), key=trace.ranks.__getitem__)
    names = [p[1] for p in second]
    assert names[:7] == ["loops", "dispatch", "kernels", "AICPU", "copies", "host", "HBM in use"]
    cores = names[7:]
    assert cores[:3] == ["AI core 0 cube", "AI core 0 vector 0", "AI core 0 vector 1"]
    assert len(cores) == len(set(cores)) and cores == sorted(cores)
    pipes = [p for p in trace.tracks.values() if len(p) == 3 and p[1] == "AI core 0 cube"]
    assert [p[2] for p in sorted(pipes, key=trace.ranks.__getitem__)] == ["MTE2", "MTE1", "M", "FIXP"]
    # pure vector kernels and the vector cores of mixed ones are on the same tracks
    kinds = {args["kernel"] for path, _, _, _, args in trace.slices if path[1:2] == ("AI core 0 vector 0",)}
    assert {next(r.core for r in found.kernels if r.name == k) for k in kinds} == {"aiv", "mix"}


def test_slices_say_what_they_are(trace):
    for path, name, _, _, args in trace.slices:
        if len(path) == 3:
            assert args["instruction"].startswith(f"pto.{name}") and args["line"].startswith(__file__)
    (first, *_) = trace.on("kernels")
    assert first[4]["line"] == f"{__file__}:{step.__code__.co_firstlineno + 2}" and first[4]["scope"] == "layer"
    assert first[4]["blocks"] >= 1 and "f32[" in first[4]["arguments"]
    assert any(name == "loop x 7" for _, name, _, _, _ in trace.on("loops"))
    assert any(name.endswith((" x 5", " x 6")) for _, name, _, _, _ in trace.on("kernels"))


def test_pipes_are_busy_inside_of_their_kernels(trace):
    kernels = [(start, end) for _, _, start, end, _ in trace.on("kernels")]
    for path, _, start, end, _ in trace.slices:
        if len(path) == 3:
            assert any(s - 1 <= start and end <= e + 1 for s, e in kernels)


def test_memory_goes_up_and_down(found, trace):
    values = [v for path, _, v in trace.counters if path[-1] == "HBM in use"]
    assert max(values) == found.memory.peak[1] and values[-1] == 0


def test_empty_programs_have_a_trace(tmp_path):
    estimate(lambda: ()).trace(tmp_path / "empty.pftrace")
    Decoded((tmp_path / "empty.pftrace").read_bytes())
