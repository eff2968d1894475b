// Bodies of HTTP answers, with the members that clients of the first implementation read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ble {

// {"message":"Stored 3 detections","device_id":"…","count":3}: 201. `count`: detections in the request.
std::string stored_body(std::string_view device_id, std::size_t count);
// {"detail":"…"}: every error.
std::string error_body(std::string_view detail);
// {"status":"healthy","service":"blerecv","version":"…"}; with a reason {"status":"unhealthy",…,"detail":"…"}. `refused`: a JSON
// value, for the member of that name; empty: none.
std::string health_body(std::string_view service, std::string_view reason = {},
                        std::string_view refused = {});

}  // namespace ble
