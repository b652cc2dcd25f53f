#include "plugin/isa/checksum.h"

#include <array>

namespace ascend {
namespace {

// Eight tables let the loop take eight bytes at a time; constants of large models make this worth while.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    t[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; ++i) {
    for (int k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xFF];
  }
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t c = ~0u;
  size_t i = 0;
  const auto at = [&](size_t k) { return static_cast<uint32_t>(bytes[k]); };
  for (; i + 8 <= bytes.size(); i += 8) {
    c ^= at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24;
    c = kTables[7][c & 0xFF] ^ kTables[6][(c >> 8) & 0xFF] ^ kTables[5][(c >> 16) & 0xFF] ^
        kTables[4][c >> 24] ^ kTables[3][at(i + 4)] ^ kTables[2][at(i + 5)] ^ kTables[1][at(i + 6)] ^
        kTables[0][at(i + 7)];
  }
  for (; i < bytes.size(); ++i) c = kTables[0][(c ^ at(i)) & 0xFF] ^ (c >> 8);
  return ~c;
}

}  // namespace ascend
