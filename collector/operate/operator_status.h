// Our errors as gRPC's, on the operators' side.
#pragma once

#include <grpcpp/support/status.h>

#include "common/result.h"

namespace parallax::collector {

inline grpc::Status ToStatus(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUsage:
      return {grpc::StatusCode::INVALID_ARGUMENT, error.message};
    case ErrorCode::kNotFound:
      return {grpc::StatusCode::NOT_FOUND, error.message};
    case ErrorCode::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE, error.message};
    case ErrorCode::kFailure:
      return {grpc::StatusCode::FAILED_PRECONDITION, error.message};
    default:
      return {grpc::StatusCode::INTERNAL, error.message};
  }
}

}  // namespace parallax::collector
