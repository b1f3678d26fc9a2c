// A coarse timer wheel for flows: 64 slots of one second. A flow that says "later than a minute" is
// asked again after a minute, so a packet never touches the wheel: it only stores `last_active`.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>

#include "base/time.hpp"

namespace culvert::proxy {

class Flow;

using AutoUnlink =
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// Something that waits for a deadline.
class Timed {
 public:
  virtual ~Timed() = default;
  // Called at its deadline or before. Returns the next one; base::never = do not ask again.
  virtual base::Time on_deadline(base::Time now) noexcept = 0;
  AutoUnlink wheel_hook;
};

class DeadlineWheel {
 public:
  // Adds or moves.
  void set(Timed& timed, base::Time deadline, base::Time now) noexcept;
  void run(base::Time now) noexcept;
  base::Time next() const noexcept;

 private:
  static constexpr std::int64_t slots = 64;
  using List =
      boost::intrusive::list<Timed,
                             boost::intrusive::member_hook<Timed, AutoUnlink, &Timed::wheel_hook>,
                             boost::intrusive::constant_time_size<false>>;
  std::array<List, slots> wheel_;
  std::int64_t second_ = 0;  // all slots up to this one have run
};

}  // namespace culvert::proxy
