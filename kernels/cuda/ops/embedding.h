// Token and position embeddings.
#pragma once

#include "kernels/ops/embedding.h"

namespace stagecraft::cuda {

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args);
void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args);
void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args);
void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args);

}  // namespace stagecraft::cuda
