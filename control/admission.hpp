// Admission: which peers may use the tunnel, by the word of a hook. A peer is asked about when it
// connects and again, while it is connected, whenever its verdict expires; so a revocation takes
// effect at the next check. At most 8 questions are open at once, the others wait in order, and
// nothing else waits for them.
//
// Where there is no verdict the setting decides: fail_open lets the peer in, fail-closed stops it,
// also while the first verdict is awaited and, once a verdict has expired, between connections. A
// hook that gives no verdict is asked again after 5 s, 10 s ... up to the time to live.
// Nothing here reads a clock or starts anything: see admission_hook.hpp for that.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/time.hpp"
#include "control/settings.hpp"
#include "wg/keys.hpp"

namespace culvert::control {

struct AdmissionRequest {
  std::string peer;  // its name
  wg::PublicKey public_key;
  std::string endpoint;  // where it connects from
  std::string group;     // "" = none
};

struct AdmissionVerdict {
  enum class Answer : std::uint8_t { none, admit, refuse };
  Answer answer = Answer::none;
  std::optional<std::chrono::seconds> ttl;  // instead of the configured one
  std::string reason;                       // for the log; of `none`, why there is none
};

struct AdmissionStatus {
  std::uint64_t admitted = 0, refused = 0, failed = 0;  // verdicts; failed = none was to be had
  std::size_t waiting = 0, under_way = 0;
  std::string last_error;  // "" = the last question got a verdict
};

class Admission {
 public:
  using Done = std::function<void(AdmissionVerdict)>;
  using Ask = std::function<void(const AdmissionRequest&, Done)>;  // calls back once, later
  static constexpr std::size_t max_under_way = 8;

  struct World {
    Ask ask;
    std::function<void(std::uint32_t slot, bool admitted)> apply;
    std::function<base::Time()> now;
    std::function<void()> wake;  // next_deadline() may have become earlier
  };

  Admission(const AdmissionSettings& settings, World world);

  // Of every peer, before it may pass traffic; applies what holds until it is asked about.
  void peer_added(std::uint32_t slot, AdmissionRequest who);
  void peer_connected(std::uint32_t slot, std::string endpoint);
  void peer_disconnected(std::uint32_t slot);
  void peer_removed(std::uint32_t slot);

  base::Time next_deadline() const noexcept;
  void tick(base::Time now);
  AdmissionStatus status() const;

 private:
  struct Entry {
    AdmissionRequest who;
    std::uint64_t id = 0;  // a later peer in the same slot is another
    bool connected = false, asked = false, admitted = false;
    base::Time expires{};  // of the verdict; in the past = there is none
    unsigned failures = 0;
  };

  void ask(std::uint32_t slot, Entry& entry);
  void ask_next();
  void on_verdict(std::uint32_t slot, std::uint64_t id, AdmissionVerdict verdict);
  void apply(std::uint32_t slot, Entry& entry, bool admitted);
  void expire_at(std::uint32_t slot, Entry& entry, base::Time when);
  base::Duration retry_delay(unsigned failures) const noexcept;

  AdmissionSettings settings_;
  World world_;
  std::map<std::uint32_t, Entry> entries_;
  std::set<std::pair<base::Time, std::uint32_t>> expiries_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> waiting_;
  std::size_t under_way_ = 0;
  std::uint64_t next_id_ = 1;
  AdmissionStatus status_;
  base::log::Limiter failure_log_{std::chrono::seconds(10)};
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace culvert::control
