// CRC-32 (the polynomial of zlib and PNG).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace ascend {

uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace ascend
