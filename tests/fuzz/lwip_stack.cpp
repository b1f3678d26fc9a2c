// A sequence of TCP segments, timer steps and actions of an owner, on a few flows. Sequence numbers
// are relative to what the stack expects, so that the fuzzer gets past the handshake; everything
// else in a segment is the input's. A payload byte follows from its place in the stream, both ways,
// so that whatever is delivered or sent can be told from what should be.
#include <array>

#include "tests/support/tcp_client.hpp"

using namespace culvert;
using F = base::TcpView;

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

std::byte byte_at(std::uint32_t place) {
  return std::byte((place & 0xffff) * 40503u >> 8 & 0xff);
}
// The stream from `place` on; lent to the stack, so it stays.
base::Bytes stream(std::uint32_t place, std::size_t size) {
  static const test::ByteVector bytes = [] {
    test::ByteVector all(200'000);
    for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = byte_at(i);
    return all;
  }();
  return base::Bytes(bytes).subspan(place & 0xffff, size);
}

class Reader {
 public:
  Reader(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool done() const { return left_ == 0; }
  std::uint8_t byte() { return left_ ? (--left_, *data_++) : std::uint8_t{0}; }
  std::uint16_t word() {
    const unsigned high = byte();
    return std::uint16_t(high << 8 | byte());
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// What comes up to the owner is the stream, without a gap.
class Owner final : public test::Recorder {
 public:
  void on_data(netstack::Chain data) noexcept override {
    require(!fin && !reset && !closed);
    for (base::Bytes part : data.pieces())
      for (std::byte b : part) require(!start || b == byte_at(*start + std::uint32_t(count_++)));
    Recorder::on_data(std::move(data));
    received.clear();
  }

  std::optional<std::uint32_t> start;  // the client's first sequence number, where it is known
  std::uint32_t sent_at = 0;           // place in the stream down

 private:
  std::size_t count_ = 0;
};

struct Flow {
  Flow(test::Wire& wire, std::uint16_t port)
      : client(wire, test::endpoint(port & 1 ? "10.8.0.2" : "fd08::2", port),
               test::endpoint(port & 1 ? "198.51.100.7" : "2001:db8::7", 80)) {}
  void renew() { owner = std::make_unique<Owner>(); }
  // As TcpClient::open(), but what the client sends is the stream.
  void accept(netstack::PendingSyn syn) {
    renew();
    if (const auto packet = base::IpView::parse(syn.packet()))  // none: reset meanwhile
      owner->start = base::TcpView::parse(*packet)->sequence + 1;
    owner->connection = syn.accept(*owner);
  }

  std::unique_ptr<Owner> owner = std::make_unique<Owner>();
  test::TcpClient client;
  std::optional<std::uint32_t> down;  // the number of the stack's SYN
};

// Looks at all that the stack sends.
class Wire final : public test::Wire {
 public:
  ~Wire() {
    for (Flow& flow : flows) flow.owner.reset();
  }
  void output(const base::Pieces& packet) noexcept override {
    test::Wire::output(packet);
    if (queue.empty() || !queue.back().tcp) return;
    const test::Sent& sent = queue.back();
    for (Flow& flow : flows) {
      if (!flow.client.mine(sent)) continue;
      if (sent.has(F::syn)) flow.down = sent.tcp->sequence;
      std::uint32_t place = flow.down ? sent.tcp->sequence - *flow.down - 1 : 0;
      for (std::byte b : sent.tcp->payload) require(flow.down && b == byte_at(place++));
    }
  }
  Flow& flow_of(const base::FlowKey& key) {
    return *std::find_if(flows.begin(), flows.end(),
                         [&](const Flow& flow) { return flow.client.key == key; });
  }

  std::array<Flow, 3> flows{Flow(*this, 1001), Flow(*this, 1002), Flow(*this, 1003)};
};

test::TcpClient::Segment segment(Flow& flow, Reader& in) {
  test::TcpClient::Segment s;
  s.flags = in.byte() & 0x3f;
  s.sequence = flow.client.next + std::uint32_t(std::int16_t(in.word()));
  s.acknowledgement = flow.client.expected + std::uint32_t(std::int16_t(in.word()));
  s.window = in.word();
  const std::size_t options = in.byte() & 31;
  for (std::size_t i = 0; i < options; ++i) s.options.push_back(std::byte{in.byte()});
  s.payload = stream(*s.sequence + (s.flags & F::syn ? 1 : 0), in.word() % 1400);
  return s;
}

// The same as fragments; IPv6 with an extension header in front of each.
void in_fragments(Wire& wire, const test::ByteVector& packet, unsigned size) {
  const auto whole = base::IpView::parse(packet);
  base::IpHeaderSpec spec;
  spec.source = whole->source, spec.destination = whole->destination;
  spec.protocol = whole->protocol;
  for (test::ByteVector& part :
       test::build_fragments(spec, whole->payload, ((size | 7) + 1) * 8, size)) {
    if (spec.source.is_v6()) {
      const std::array<std::byte, 8> padding{part[6], {}, std::byte{1}, std::byte{4}};
      part.insert(part.begin() + 40, padding.begin(), padding.end());
      part[6] = std::byte{60};
      base::store_be16(&part[4], std::uint16_t(part.size() - 40));
    }
    wire.inject(part);
  }
}

void on_parked(Wire& wire, unsigned what, Reader& in) {
  if (wire.syns.empty()) return;
  netstack::PendingSyn syn = std::move(wire.syns.back());
  wire.syns.pop_back();
  Flow& flow = wire.flow_of(syn.key());
  if (what == 3) return syn.reset();
  if (what == 4) return syn.reject(netstack::IcmpError(in.byte() % 8));
  if (!flow.owner->connection) flow.accept(std::move(syn));
}

// The handshake as it should be.
void open(Wire& wire, Flow& flow) {
  if (flow.owner->connection || !wire.syns.empty()) return;
  flow.client.send_syn();
  if (wire.syns.size() != 1) return;
  flow.accept(std::move(wire.syns.back()));
  wire.syns.pop_back();
  flow.client.receive();
  flow.client.ack();
  wire.flush();
}

void act_as_owner(Wire& wire, Flow& flow, unsigned what, Reader& in) {
  Owner& owner = *flow.owner;
  if (!owner.connection) {
    if (what != 14) return;
    flow.renew();
    flow.owner->connection = wire.stack.connect(flow.client.key, *flow.owner);
    return;
  }
  switch (what) {
    case 6:
      owner.sent_at += std::uint32_t(owner.connection->send(stream(owner.sent_at, in.word() * 2u)));
      return;
    case 7:
      return owner.connection->shutdown_send();
    case 8:
      return owner.connection->abort();
    case 9:
      return flow.renew();
    case 10: {
      const std::size_t n = std::min<std::size_t>(owner.kept.size(), 1 + in.word());
      owner.kept.drop_front(n);
      return owner.connection->consumed(n);
    }
    default:
      owner.keep = !owner.keep;
      return;
  }
}

void act(Wire& wire, Flow& flow, Reader& in) {
  const unsigned what = in.byte() % 16;
  switch (what) {
    case 0:
      return flow.client.send_raw(segment(flow, in));
    case 1:
      return open(wire, flow);
    case 2:
    case 3:
    case 4:
      return on_parked(wire, what, in);
    case 5:
      return flow.client.send_data(stream(flow.client.next, 1 + in.word() % 1380));
    case 12:
      return wire.advance(std::chrono::milliseconds(in.word()));
    case 13:
      flow.client.receive();
      return flow.client.ack();
    case 15: {
      const unsigned size = in.byte();
      return in_fragments(wire, flow.client.build(segment(flow, in)), size);
    }
    default:
      return act_as_owner(wire, flow, what, in);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  Reader in(data, size);
  Wire wire;
  while (!in.done()) {
    const std::uint8_t which = in.byte();
    act(wire, wire.flows[which % 3], in);
    if (which & 0x80) wire.flush();
    if (wire.queue.size() > 4000) wire.clear();
  }
  wire.advance(std::chrono::seconds(30));
  require(wire.malformed == 0);
  return 0;
}
