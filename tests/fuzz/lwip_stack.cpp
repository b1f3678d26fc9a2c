// A sequence of TCP segments, timer steps and actions of an owner, on a few flows. Sequence numbers
// are relative to what the stack expects, so that the fuzzer gets past the handshake; everything
// else in a segment is the input's.
#include <array>

#include "tests/support/tcp_client.hpp"

using namespace culvert;
using F = base::TcpView;

namespace {

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

struct Flow {
  explicit Flow(test::Wire& wire, std::uint16_t port)
      : client(wire, test::endpoint(port & 1 ? "10.8.0.2" : "fd08::2", port),
               test::endpoint(port & 1 ? "198.51.100.7" : "2001:db8::7", 80)) {}
  test::Recorder owner;
  test::TcpClient client;
};

const test::ByteVector& lent() {
  static const test::ByteVector bytes = test::pattern(200000);
  return bytes;
}

void segment(test::Wire&, Flow& flow, Reader& in) {
  test::TcpClient::Segment s;
  s.flags = in.byte() & 0x3f;
  s.sequence = flow.client.next + std::uint32_t(std::int16_t(in.word()));
  s.acknowledgement = flow.client.expected + std::uint32_t(std::int16_t(in.word()));
  s.window = in.word();
  const std::size_t options = in.byte() & 31;
  for (std::size_t i = 0; i < options; ++i) s.options.push_back(std::byte{in.byte()});
  s.payload = base::Bytes(lent()).first(in.word() % 1400);
  flow.client.send_raw(s);
}

void act(test::Wire& wire, Flow& flow, Reader& in) {
  test::Recorder& owner = flow.owner;
  switch (in.byte() % 14) {
    case 0:
      return segment(wire, flow, in);
    case 1: {  // the handshake as it should be
      if (!owner.connection && wire.syns.empty()) flow.client.open(owner);
      return;
    }
    case 2:
      if (!wire.syns.empty() && !owner.connection) {
        owner.connection = wire.syns.back().accept(owner);
        wire.syns.pop_back();
      }
      return;
    case 3:
      if (!wire.syns.empty()) wire.syns.back().reset(), wire.syns.pop_back();
      return;
    case 4:
      if (!wire.syns.empty()) {
        wire.syns.back().reject(netstack::IcmpError(in.byte() % 8));
        wire.syns.pop_back();
      }
      return;
    case 5:
      return flow.client.send_data(base::Bytes(lent()).first(1 + in.word() % 1380));
    case 6:
      if (owner.connection) owner.connection->send(base::Bytes(lent()).first(in.word() * 2u));
      return;
    case 7:
      if (owner.connection) owner.connection->shutdown_send();
      return;
    case 8:
      if (owner.connection) owner.connection->abort();
      return;
    case 9:
      owner.connection.reset();
      owner.kept = {};
      return;
    case 10:
      if (owner.connection && owner.kept.size() > 0) {
        const std::size_t n = std::min<std::size_t>(owner.kept.size(), 1 + in.word());
        owner.kept.drop_front(n);
        owner.connection->consumed(n);
      }
      return;
    case 11:
      owner.keep = !owner.keep;
      return;
    case 12:
      return wire.advance(std::chrono::milliseconds(in.word()));
    default:
      flow.client.receive();
      flow.client.ack();
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  Reader in(data, size);
  test::Wire wire;
  std::array<Flow, 3> flows{Flow(wire, 1001), Flow(wire, 1002), Flow(wire, 1003)};
  while (!in.done()) {
    const std::uint8_t which = in.byte();
    act(wire, flows[which % 3], in);
    if (which & 0x80) wire.flush();
    if (wire.queue.size() > 4000) wire.clear();
  }
  wire.advance(std::chrono::seconds(30));
  if (wire.malformed != 0) __builtin_trap();
  return 0;
}
