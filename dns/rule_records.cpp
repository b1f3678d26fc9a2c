#include "dns/rule_records.hpp"

#include <algorithm>

namespace culvert::dns {

void RuleRecords::add(DomainHash domain, std::uint32_t set) {
  const std::uint32_t home = domain.home();
  const std::uint64_t print = domain.fingerprint();
  Partition& part = parts_[home >> 24];
  const std::size_t within = part.size % block_size;
  if (within == 0) part.blocks.push_back(std::make_unique_for_overwrite<Block>());
  (*part.blocks.back())[within] = {home << 8 | static_cast<std::uint32_t>(print >> 40),
                                   static_cast<std::uint32_t>(print >> 8),
                                   static_cast<std::uint32_t>(print) << 24 | set};
  ++part.size;
  ++size_;
}

std::span<const RuleRecords::Record> RuleRecords::look(unsigned partition) {
  const Partition& part = parts_[partition];
  buffer_.clear();
  buffer_.reserve(part.size);
  std::size_t left = part.size;
  for (const auto& block : part.blocks) {
    const std::size_t count = std::min(left, block_size);
    buffer_.insert(buffer_.end(), block->begin(), block->begin() + std::ptrdiff_t(count));
    left -= count;
  }
  return buffer_;
}

std::span<const RuleRecords::Record> RuleRecords::take(unsigned partition) {
  look(partition);
  size_ -= parts_[partition].size;
  parts_[partition] = {};
  return buffer_;
}

void RuleRecords::put_back(Partition& part, std::size_t size) {
  for (std::size_t at = 0; at < size; at += block_size)
    std::copy_n(buffer_.begin() + std::ptrdiff_t(at), std::min(block_size, size - at),
                part.blocks[at / block_size]->begin());
  part.blocks.resize((size + block_size - 1) / block_size);
  size_ -= part.size - size;
  part.size = size;
}

void RuleRecords::merge(const Unite& unite) {
  for (unsigned i = 0; i < partitions; ++i) {
    look(i);
    std::ranges::sort(buffer_, [](const Record& a, const Record& b) {
      const std::uint64_t left = a.domain_high(), right = b.domain_high();
      return left != right ? left < right : a.low < b.low;
    });
    std::size_t kept = 0;
    for (const Record& record : buffer_) {
      if (kept > 0 && buffer_[kept - 1].same_domain(record))
        buffer_[kept - 1].set(unite(buffer_[kept - 1].set(), record.set()));
      else
        buffer_[kept++] = record;
    }
    put_back(parts_[i], kept);
  }
}

}  // namespace culvert::dns
