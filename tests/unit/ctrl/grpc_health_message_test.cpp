#include "ctrl/wire/grpc_health_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::ctrl {
namespace {

std::optional<ServingStatus> read_status(std::vector<uint8_t> message) {
  std::vector<uint8_t> bytes = {0, 0, 0, 0, static_cast<uint8_t>(message.size())};
  bytes.insert(bytes.end(), message.begin(), message.end());
  return grpc_health_response(bytes);
}

// As protoc --encode has it.
TEST(GrpcHealthMessage, AsksForAService) {
  EXPECT_EQ(grpc_health_request(""), std::string("\0\0\0\0\0", 5));
  EXPECT_EQ(grpc_health_request("web"), std::string("\0\0\0\0\x05\x0a\x03web", 10));
  const auto large = grpc_health_request(std::string(200, 'x'));
  EXPECT_EQ(large.substr(0, 8), std::string("\0\0\0\0\xcb\x0a\xc8\x01", 8));
}

TEST(GrpcHealthMessage, ReadsTheStatus) {
  EXPECT_EQ(read_status({}), ServingStatus::kUnknown);
  EXPECT_EQ(read_status({0x08, 1}), ServingStatus::kServing);
  EXPECT_EQ(read_status({0x08, 2}), ServingStatus::kNotServing);
  EXPECT_EQ(read_status({0x08, 3}), ServingStatus::kServiceUnknown);
  EXPECT_EQ(read_status({0x08, 0x99, 0x01}), ServingStatus::kUnknown);     // a status of a later version
  EXPECT_EQ(read_status({0x08, 1, 0x08, 2}), ServingStatus::kNotServing);  // the last one counts
  EXPECT_EQ(read_status({0x12, 2, 'a', 'b', 0x1d, 1, 2, 3, 4, 0x08, 1}), ServingStatus::kServing);
}

TEST(GrpcHealthMessage, RefusesWhatIsNotWhole) {
  EXPECT_EQ(read_status({0x08}), std::nullopt);
  EXPECT_EQ(read_status({0x08, 0x80}), std::nullopt);
  EXPECT_EQ(read_status({0x12, 9, 'a'}), std::nullopt);
  EXPECT_EQ(read_status({0x0b}), std::nullopt);  // a group
  EXPECT_EQ(read_status({0x00, 1}), std::nullopt);
  EXPECT_EQ(read_status({0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}), std::nullopt);
  for (const std::vector<uint8_t>& bytes : std::vector<std::vector<uint8_t>>{
           {}, {0, 0, 0, 0}, {0, 0, 0, 0, 3, 0x08, 1}, {1, 0, 0, 0, 2, 0x08, 1}, {0, 0, 0, 0, 1, 0x08, 1}}) {
    EXPECT_EQ(grpc_health_response(bytes), std::nullopt);
  }
}

}  // namespace
}  // namespace sluice::ctrl
