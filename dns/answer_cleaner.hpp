// The inside of clean_answer(), in two files: clean_answer.cpp reads and follows the chain,
// clean_records.cpp writes what is kept. Nobody else includes it.
#pragma once

#include <algorithm>
#include <array>

#include "dns/inspection.hpp"

namespace culvert::dns {

// A name that stands uncompressed in the message that is written.
struct Written {
  Name name;
  std::size_t at = 0;
};

class AnswerCleaner {
 public:
  AnswerCleaner(base::Bytes answer, const CleanAsk& ask, base::MutableBytes buffer,
                CleanAnswer& out) noexcept
      : answer_(answer),
        reader_(answer),
        ask_(ask),
        out_(out),
        buffer_(buffer.first(std::min(buffer.size(), max_message))) {}

  void run() noexcept;

 private:
  using Fault = CleanAnswer::Fault;
  using Section = Record::Section;

  struct Seen {  // not initialised: there are many, and few are used
    std::uint64_t owner;
    std::uint32_t ttl;
    std::uint16_t type, rdata_at, rdata_size;
  };

  // The CNAME that a DNAME stands for; the root if there is none.
  struct Made {
    Name target;
    std::uint32_t ttl = 0;
  };

  Fault check_question() noexcept;
  void begin() noexcept;
  Fault index() noexcept;
  void take_edns(const Record& record) noexcept;

  Fault follow() noexcept;
  bool add_asked(std::uint64_t owner) noexcept;
  Fault step(std::uint64_t owner, const Made& made, bool& more) noexcept;
  Fault add_dname(Made& out) noexcept;
  const Seen* find(std::uint64_t owner, std::uint16_t type) const noexcept;
  bool has_dname(std::uint64_t owner) const noexcept;
  void add_signatures(std::uint64_t owner, std::uint16_t type, const Written& at) noexcept;
  void add_zone(const Name& zone) noexcept;
  void add_authority() noexcept;
  bool wants(const Record& record) const noexcept;

  void add(Section section, const Name& owner, const Record& record) noexcept;
  void add(const Name& owner, const Seen& seen) noexcept;
  std::size_t put_owner(const Name& owner) noexcept;
  void note(const Record& record, base::Bytes rdata, std::size_t at) noexcept;
  bool ok() const noexcept { return out_.fault == Fault::none; }

  const base::Bytes answer_;
  MessageReader reader_;
  const CleanAsk& ask_;
  CleanAnswer& out_;
  base::MutableBytes buffer_;
  std::size_t size_ = 0;
  std::uint16_t counts_[3] = {};
  std::array<Seen, max_answer_records> seen_;
  std::size_t seen_count_ = 0;
  std::array<std::uint64_t, max_chain> dnames_;  // owners; a chain has no more
  std::size_t dname_count_ = 0;
  bool found_ = false;  // what was asked for
  Written now_;         // the end of the chain
  // Zones whose signatures are kept: what they deny is kept too.
  std::array<Name, 4> zones_;
  std::size_t zone_count_ = 0;
};

}  // namespace culvert::dns
