#include "dns/upstreams.hpp"

#include <algorithm>
#include <utility>

#include "dns/upstream_asking.hpp"

namespace culvert::dns {

struct Upstreams::Impl {
  Impl(Parts parts, const Settings& settings)
      : now(std::move(parts.now)),
        tls(parts.trust),
        asker({parts.poller, parts.random, &tls, parts.source4, parts.source6, now}, parts.counters,
              settings) {}

  std::function<base::Time()> now;
  TlsContext tls;  // of all, so that a worker that runs can be given whom to trust
  UpstreamAsker asker;
};

Upstreams::Upstreams(Parts parts, const Settings& settings)
    : impl_(std::make_unique<Impl>(std::move(parts), settings)) {}

Upstreams::~Upstreams() = default;

void Upstreams::ask(const Ask& what, Done done) {
  impl_->asker.ask(what, std::move(done));
}

void Upstreams::set_settings(const Settings& settings) {
  impl_->asker.sets().set_settings(settings);
}

void Upstreams::set_trust(const TrustStore& trust) {
  impl_->tls.set_trust(trust);
  impl_->asker.sets().for_each([](Server& server) { server.trust_changed(); });
}

std::uint32_t Upstreams::set_of(const std::vector<std::string>& upstream) {
  return impl_->asker.sets().set_of(upstream);
}

std::vector<std::string> Upstreams::all() const {
  return impl_->asker.sets().all();
}

void Upstreams::tick(base::Time now) noexcept {
  impl_->asker.tick(now);
}

base::Time Upstreams::next_deadline() const noexcept {
  return impl_->asker.next_deadline();
}

void Upstreams::flush() noexcept {
  impl_->asker.flush();
}

}  // namespace culvert::dns
