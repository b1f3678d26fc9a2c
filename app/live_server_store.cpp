// LiveServer: peers of the database. One that does not fit beside the file's any more stays stored
// and is inactive; one that cannot be stored is not added.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "app/live_server.hpp"
#include "app/peer_definition.hpp"
#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::Peer;
using control::Problem;
using control::Source;
using control::StoredPeer;
using nlohmann::json;

namespace {

constexpr std::chrono::seconds store_interval{5};

}  // namespace

void LiveServer::Taken::add(const PeerEntry& entry) {
  names.insert(entry.name);
  keys.insert(entry.public_key);
  prefixes.insert(entry.allowed_ips.begin(), entry.allowed_ips.end());
}

std::string LiveServer::Taken::clash(const PeerEntry& entry) const {
  if (keys.contains(entry.public_key)) return "its public key is that of another peer";
  if (names.contains(entry.name)) return "another peer has its name";
  for (const base::Prefix& prefix : entry.allowed_ips)
    if (prefixes.contains(prefix)) return "another peer has " + prefix.to_string();
  return {};
}

void LiveServer::enter_peers(std::vector<PeerEntry> of_file) {
  Taken taken;
  for (PeerEntry& entry : of_file) {
    if (taken.keys.contains(entry.public_key))
      throw std::runtime_error(entry.place + ": peer " + entry.name +
                               ": its public key is that of another peer");
    taken.add(entry);
    enter({std::move(entry), Source::file, {}});
  }
  for (Wanted& wanted : stored_peers(read_store(), taken)) enter(std::move(wanted));
}

// Nothing if the database cannot be read; then it is tried again later.
std::vector<StoredPeer> LiveServer::read_store() {
  if (!store_) return {};
  auto read = store_->peers();
  stored_known_ = bool(read);
  stored_generation_ = store_->generation();
  if (read) return std::move(*read);
  log::error("peers of the state database are not served yet: {}", read.problem().to_line());
  return {};
}

// Those of `stored` that fit beside `taken`; the others become inactive.
std::vector<LiveServer::Wanted> LiveServer::stored_peers(std::vector<StoredPeer> stored,
                                                         Taken taken) {
  inactive_.clear();
  std::vector<Wanted> fit;
  for (StoredPeer& each : stored) {
    json definition = json::parse(each.definition, nullptr, false);
    auto entry = read_definition(definition, *runtime_.config);
    wipe_definition(definition);
    std::string why = entry ? taken.clash(*entry) : entry.problem().to_line();
    if (taken.keys.size() >= runtime_.registry.capacity()) why = "there is no room for it";
    if (!why.empty()) {
      log::warn("peer {} of the state database is inactive: {}", each.name, why);
      inactive_.push_back({std::move(each), why});
      continue;
    }
    taken.add(*entry);
    entry->place = "the state database";
    fit.push_back({std::move(*entry), Source::database, std::move(each.definition)});
  }
  return fit;
}

std::optional<Problem> LiveServer::store(const wg::PublicKey& key, const std::string& name,
                                         const std::string& definition) {
  if (!store_) return std::nullopt;
  storing_ = true;
  const auto done = store_->put_peer({key, name, definition});
  if (!done)
    return Problem{503, "Peer not stored", done.problem().to_line() + "; nothing was changed", {}};
  std::erase_if(inactive_, [&](const Inactive& each) { return each.stored.public_key == key; });
  return std::nullopt;
}

std::optional<Problem> LiveServer::unstore(const wg::PublicKey& key) {
  if (!store_) return std::nullopt;
  storing_ = true;
  const auto done = store_->remove_peer(key);
  if (!done)
    return Problem{503, "Peer not removed", done.problem().to_line() + "; nothing was changed", {}};
  return std::nullopt;
}

// A database that cannot begin says so at the first peer that is to be stored.
void LiveServer::begin_storing() {
  storing_ = false;
  if (store_) (void)store_->begin_group();
}

// Where it fails nothing of it is stored; what the server has is written again until that succeeds.
std::optional<Problem> LiveServer::end_storing() {
  if (!store_) return std::nullopt;
  const auto done = store_->end_group();
  if (done || !storing_) return std::nullopt;
  stored_generation_ = store_->generation() - 1;
  return Problem{503, "Peers not stored", done.problem().to_line() + "; nothing was changed", {}};
}

boost::asio::awaitable<void> LiveServer::keep_store() {
  boost::asio::steady_timer timer(io_);
  while (store_) {
    boost::system::error_code error;
    timer.expires_after(store_interval);
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
    const auto turn = co_await turns_.take();
    if (!stored_known_) co_await enter_late();
    if (stored_known_ && store_->generation() != stored_generation_) store_all();
  }
}

// The database could not be read at start, and now it can.
boost::asio::awaitable<void> LiveServer::enter_late() {
  auto stored = read_store();
  if (!stored_known_) co_return;
  Taken taken;
  for (const Peer* peer : peers()) taken.add(peer->entry);
  const Wait wait = Answers::make(io_);
  for (Wanted& wanted : stored_peers(std::move(stored), std::move(taken)))
    if (!runtime_.registry.full()) insert(std::move(wanted), *wait);
  tell_all(*wait);
  const std::string error = co_await wait->wait();
  if (!error.empty()) log::error("peers of the state database: {}", error);
}

// A new, empty database took the place of the one that had them.
void LiveServer::store_all() {
  const unsigned generation = store_->generation();
  begin_storing();
  for (const Peer* peer : peers())
    if (peer->source == Source::database &&
        store(peer->entry.public_key, peer->entry.name, peer->definition))
      break;
  if (!end_storing() && store_->generation() == generation) stored_generation_ = generation;
}

}  // namespace culvert::app
