// RuleRecords: domains, as hashes, with the number of a set, 12 octets each: what a table is built
// from. They are kept in partitions by the first bits of their place, so that sorting and merging
// needs room for one partition only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dns/name_path.hpp"

namespace culvert::dns {

class RuleRecords {
 public:
  // 32 bits of place, of which the partition says 8; 48 of fingerprint; 24 of the set.
  struct Record {
    std::uint32_t high, middle, low;

    std::uint64_t domain_high() const noexcept { return std::uint64_t{high} << 32 | middle; }
    std::uint64_t fingerprint() const noexcept {
      return std::uint64_t{high & 0xff} << 40 | std::uint64_t{middle} << 8 | low >> 24;
    }
    std::uint32_t set() const noexcept { return low & 0xffffff; }
    void set(std::uint32_t number) noexcept { low = (low & 0xff000000) | number; }
    bool same_domain(const Record& other) const noexcept {
      return domain_high() == other.domain_high() && (low ^ other.low) >> 24 == 0;
    }
    bool is_before(const Record& other) const noexcept {
      const std::uint64_t left = domain_high(), right = other.domain_high();
      return left != right ? left < right : low >> 24 < other.low >> 24;
    }
  };
  static constexpr unsigned partitions = 256;
  static std::uint32_t home_of(unsigned partition, const Record& record) noexcept {
    return partition << 24 | record.high >> 8;
  }

  using Unite = std::function<std::uint32_t(std::uint32_t, std::uint32_t)>;

  void add(DomainHash domain, std::uint32_t set);
  std::size_t size() const noexcept { return size_; }
  // Sorts all by domain and leaves one record for each.
  void merge(const Unite& unite);
  // The records of a partition, in a buffer that the next call uses again; frees what it held.
  std::span<const Record> take(unsigned partition);
  // Likewise, but they stay.
  std::span<const Record> look(unsigned partition);

 private:
  static constexpr std::size_t block_size = 1024;
  using Block = std::array<Record, block_size>;
  struct Partition {
    std::vector<std::unique_ptr<Block>> blocks;
    std::size_t size = 0;
  };
  template <class Take>
  static void each(const Partition& partition, Take take);
  void look_sorted(const Partition& partition);
  void put_back(Partition& partition, std::size_t size);

  std::array<Partition, partitions> parts_;
  std::vector<Record> buffer_;
  std::vector<std::uint32_t> places_;
  std::size_t size_ = 0;
};

}  // namespace culvert::dns
