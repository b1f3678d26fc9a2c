#include "proxy/portal.hpp"

#include <algorithm>

#include "base/headers.hpp"
#include "proxy/context.hpp"
#include "proxy/portal_http.hpp"

namespace culvert::proxy {
namespace {

constexpr std::uint16_t http_port = 80, dns_port = 53;
constexpr std::size_t visits_of_client = 8, visits_of_all = 512;
constexpr base::Duration visit_time = std::chrono::seconds(5);

}  // namespace

// One connection: a request comes in, an answer goes out.
class PortalVisit final : public Timed, private netstack::TcpConnection::Events {
 public:
  PortalVisit(Portal& portal, ClientState& client, const base::FlowKey& key)
      : portal_(portal), client_(client), key_(key) {}

  bool start(netstack::PendingSyn syn) noexcept {
    connection_ = syn.accept(*this);
    return connection_ != nullptr;
  }
  const ClientState& client() const noexcept { return client_; }
  void hang_up() noexcept {
    if (connection_) connection_->abort();
  }
  base::Time on_deadline(base::Time) noexcept override { return portal_.leave(*this), base::never; }

 private:
  void on_established() noexcept override {}
  void on_data(netstack::Chain data) noexcept override;
  void on_fin() noexcept override {
    if (answer_.empty()) portal_.leave(*this);
  }
  void on_sent(std::size_t) noexcept override { send(); }
  void on_reset() noexcept override { portal_.leave(*this); }
  void on_closed() noexcept override { portal_.leave(*this); }

  void answer_http();
  void answer_dns();
  void send() noexcept;

  Portal& portal_;
  ClientState& client_;
  const base::FlowKey key_;
  std::string request_;
  std::string answer_;  // lent to the connection
  std::size_t lent_ = 0;
  std::unique_ptr<netstack::TcpConnection> connection_;
};

void PortalVisit::on_data(netstack::Chain data) noexcept try {
  const std::size_t size = data.size();
  while (!data.empty() && answer_.empty() && request_.size() < largest_request) {
    const base::Pieces pieces = data.pieces();
    for (base::Bytes piece : pieces) {
      const std::size_t room = largest_request - request_.size();
      request_.append(reinterpret_cast<const char*>(piece.data()), std::min(piece.size(), room));
    }
    data.drop_front(pieces.size());
  }
  connection_->consumed(size);  // what follows an answer is thrown away
  if (!answer_.empty()) return;
  key_.server.port == dns_port ? answer_dns() : answer_http();
  send();
} catch (const std::exception&) {
  portal_.leave(*this);
}

void PortalVisit::answer_http() {
  HttpRequest request;
  const HttpParsed parsed = parse_http(request_, request);
  if (parsed == HttpParsed::more) return;
  const auto& stack = portal_.context_.config.stack;
  const bool v4 = key_.client.address.is_v4();
  answer_ = parsed == HttpParsed::done
                ? respond(request, facts_of(client_), v4 ? stack.address4 : stack.address6)
                : respond_error(parsed);
}

// RFC 1035 section 4.2.2: two bytes of length before each message.
void PortalVisit::answer_dns() {
  const auto* bytes = reinterpret_cast<const std::byte*>(request_.data());
  if (request_.size() < 2) return;
  const std::size_t size = base::load_be16(bytes);
  if (size > DnsNotice::largest_query) return portal_.leave(*this);
  if (request_.size() < 2 + size) return;
  const base::Bytes answer = portal_.dns_.answer({bytes + 2, size});
  if (answer.empty()) return portal_.leave(*this);
  answer_ = {char(answer.size() >> 8), char(answer.size() & 0xff)};
  answer_.append(reinterpret_cast<const char*>(answer.data()), answer.size());
}

void PortalVisit::send() noexcept {
  if (answer_.empty() || !connection_) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(answer_.data());
  lent_ += connection_->send({bytes + lent_, answer_.size() - lent_});
  if (lent_ == answer_.size()) connection_->shutdown_send();
}

// ---- the service

Portal::Portal(Context& context) noexcept
    : context_(context), dns_(context.config.stack.address4, context.config.stack.address6) {}

Portal::~Portal() = default;

void Portal::collect() noexcept {
  left_.clear();
}

bool Portal::takes(const ClientState& client, const base::FlowKey& key) const noexcept {
  const bool stopped = client.gate.stopped != base::Stop::none;
  if (key.server.port == dns_port) return stopped;
  return key.protocol == base::Protocol::tcp && key.server.port == http_port &&
         (stopped || context_.stack->is_own(key.server.address));
}

std::size_t Portal::visits_of(const ClientState& client) const noexcept {
  return std::size_t(std::count_if(visits_.begin(), visits_.end(),
                                   [&](const auto& visit) { return &visit->client() == &client; }));
}

void Portal::accept(ClientState& client, netstack::PendingSyn syn) noexcept try {
  if (visits_.size() >= visits_of_all || visits_of(client) >= visits_of_client) {
    context_.deny(client, base::Drop::flow_cap);
    return syn.reset();
  }
  const base::FlowKey key = syn.key();
  auto visit = std::make_unique<PortalVisit>(*this, client, key);
  PortalVisit& started = *visit;
  visits_.push_back(std::move(visit));
  left_.reserve(left_.size() + visits_.size());  // leave() must not fail
  if (!started.start(std::move(syn))) return leave(started);
  context_.table.set_deadline(started, context_.now() + visit_time, context_.now());
} catch (const std::exception&) {
  context_.counters.drops.add(base::Drop::no_buffer);
}

void Portal::answer(const netstack::UdpDatagram& query) noexcept {
  const base::Bytes answer = dns_.answer(query.payload);
  if (!answer.empty()) context_.stack->send_udp(query.key, answer);
}

// It may be one of its own handlers that calls: its memory stays to the end of the turn.
void Portal::leave(PortalVisit& visit) noexcept {
  const auto at = std::find_if(visits_.begin(), visits_.end(),
                               [&](const auto& each) { return each.get() == &visit; });
  if (at == visits_.end()) return;
  visit.wheel_hook.unlink();
  visit.hang_up();
  left_.push_back(std::move(*at));
  visits_.erase(at);
}

void Portal::forget(const ClientState& client) noexcept {
  for (std::size_t i = visits_.size(); i-- > 0;)
    if (&visits_[i]->client() == &client) leave(*visits_[i]);
  collect();
}

}  // namespace culvert::proxy
