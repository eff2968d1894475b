// Integers out of bytes, in the order that a format prescribes. The caller sees to it that sizeof(T) bytes are there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ble {

template <class T>
T load_little(const std::uint8_t *bytes) {
    T value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
        value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | bytes[i]);
    return value;
}
template <class T>
T load_big(const std::uint8_t *bytes) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | bytes[i]);
    return value;
}
template <class T>
T load(const std::uint8_t *bytes, bool big_endian) {
    return big_endian ? load_big<T>(bytes) : load_little<T>(bytes);
}

}  // namespace ble
