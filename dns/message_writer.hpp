// Writing DNS messages into a buffer that the caller owns. Names are compressed against the
// question only (RFC 1035 section 4.1.4): bounded work, and what is gained by more is little.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ip.hpp"
#include "dns/message.hpp"

namespace culvert::dns {

// Begins an answer to `query` with its ID, its question in the sender's case, RD and CD as they
// came, RA set; then records; then finish(). What does not fit sets TC and leaves only the question
// (and OPT): the client asks again over TCP (RFC 2181 section 9).
class AnswerWriter {
 public:
  // `room`: what the asker takes; the buffer is at least that large, and at least 512 octets.
  AnswerWriter(base::MutableBytes buffer, std::size_t room, const Query& query) noexcept;

  void set_rcode(std::uint16_t rcode) noexcept;  // above 15 only where the query had OPT
  void set_authoritative() noexcept;
  void set_authentic() noexcept;

  using Section = Record::Section;
  // Sections in order. RDATA as it is.
  void add(Section section, const Name& owner, std::uint16_t type, std::uint32_t ttl,
           base::Bytes rdata) noexcept;
  void add_address(const Name& owner, const base::IpAddress& address, std::uint32_t ttl) noexcept;
  // The SOA that makes a negative answer cacheable for `ttl` (RFC 2308 section 5).
  void add_soa(const Name& zone, std::uint32_t ttl, Section section = Section::authority) noexcept;
  // Extended DNS Error; written only if the query had OPT (RFC 8914). UTF-8; cut at 200 octets.
  void set_error(std::uint16_t info_code, std::string_view text) noexcept;

  // The message, OPT included if the query had it.
  base::Bytes finish() noexcept;

 private:
  // Where the RDATA goes; null if there is no room.
  std::byte* begin_record(Section section, const Name& owner, std::size_t rdata_size,
                          std::uint16_t type, std::uint32_t ttl) noexcept;
  std::uint16_t class_of_records() const noexcept;
  void finish_opt() noexcept;

  base::MutableBytes out_;
  std::size_t room_, size_ = 0, question_end_ = 0;
  Query query_;
  std::uint16_t rcode_ = 0, error_ = 0;
  bool has_error_ = false, truncated_ = false;
  char error_text_[200];
  std::uint8_t error_size_ = 0;
  std::uint16_t counts_[3] = {};
};

// How much a client takes of a UDP answer: its payload size, 512 without OPT (RFC 6891 section
// 6.2.3), at most `most`.
std::size_t udp_room(const Query& query, std::size_t most) noexcept;

// Header and question of a query for an upstream, with OPT (payload 1232, DO as given) and padding
// to a multiple of `pad` octets (RFC 8467; 0 = none). Octets of `name` go out as they are: the
// caller chose their case. Returns its size; `out` has at least 512 octets.
std::size_t write_query(base::MutableBytes out, std::uint16_t id, base::Bytes name,
                        std::uint16_t type, std::uint16_t class_, bool dnssec_ok,
                        bool checking_disabled, std::size_t pad) noexcept;

// An error answer for a message that read_query() refused; empty if nothing is to be said.
base::Bytes write_fault(base::MutableBytes out, const Query& query, QueryFault fault) noexcept;

}  // namespace culvert::dns
