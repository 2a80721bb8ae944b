#include "textflag.h"

// Each function walks the expanded key (schedule: rounds u64, then the round
// keys) once a block, with eight blocks in X0 to X7 where there are eight: one
// AESENC takes some four cycles, but the processor starts one or two in each.

#define ROUND8(KEY) \
	AESENC KEY, X0; AESENC KEY, X1; AESENC KEY, X2; AESENC KEY, X3; \
	AESENC KEY, X4; AESENC KEY, X5; AESENC KEY, X6; AESENC KEY, X7

#define LAST8(KEY) \
	AESENCLAST KEY, X0; AESENCLAST KEY, X1; AESENCLAST KEY, X2; AESENCLAST KEY, X3; \
	AESENCLAST KEY, X4; AESENCLAST KEY, X5; AESENCLAST KEY, X6; AESENCLAST KEY, X7

#define XOR8(KEY) \
	PXOR KEY, X0; PXOR KEY, X1; PXOR KEY, X2; PXOR KEY, X3; \
	PXOR KEY, X4; PXOR KEY, X5; PXOR KEY, X6; PXOR KEY, X7

// A lane is 32 bytes: at, step, stream. FEED xors the lane's block with its
// stream, stores it and steps.
#define FEED(LANE, X) \
	MOVQ  (LANE*32+0)(SI), DX; \
	MOVOU (DX), X8; \
	PXOR  X8, X; \
	MOVOU X, (DX); \
	ADDQ  (LANE*32+8)(SI), DX; \
	MOVQ  DX, (LANE*32+0)(SI)

// func encryptLanes(keys *schedule, lanes *[Lanes]lane, blocks int)
TEXT ·encryptLanes(SB), NOSPLIT, $0-24
	MOVQ keys+0(FP), DI
	MOVQ lanes+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVOU (0*32+16)(SI), X0
	MOVOU (1*32+16)(SI), X1
	MOVOU (2*32+16)(SI), X2
	MOVOU (3*32+16)(SI), X3
	MOVOU (4*32+16)(SI), X4
	MOVOU (5*32+16)(SI), X5
	MOVOU (6*32+16)(SI), X6
	MOVOU (7*32+16)(SI), X7

lanesBlock:
	FEED(0, X0)
	FEED(1, X1)
	FEED(2, X2)
	FEED(3, X3)
	FEED(4, X4)
	FEED(5, X5)
	FEED(6, X6)
	FEED(7, X7)
	MOVQ 0(DI), BX
	LEAQ 8(DI), R8
	MOVOU (R8), X9
	XOR8(X9)
	DECQ BX

lanesRound:
	ADDQ $16, R8
	MOVOU (R8), X9
	ROUND8(X9)
	DECQ BX
	JNZ lanesRound
	MOVOU 16(R8), X9
	LAST8(X9)
	DECQ CX
	JNZ lanesBlock

	MOVOU X0, (0*32+16)(SI)
	MOVOU X1, (1*32+16)(SI)
	MOVOU X2, (2*32+16)(SI)
	MOVOU X3, (3*32+16)(SI)
	MOVOU X4, (4*32+16)(SI)
	MOVOU X5, (5*32+16)(SI)
	MOVOU X6, (6*32+16)(SI)
	MOVOU X7, (7*32+16)(SI)
	RET

// func encryptChain(keys *schedule, p *byte, blocks int, stream *[block]byte)
TEXT ·encryptChain(SB), NOSPLIT, $0-32
	MOVQ keys+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVQ stream+24(FP), DX
	MOVOU (DX), X0

chainBlock:
	MOVOU (SI), X8
	PXOR X8, X0
	MOVOU X0, (SI)
	ADDQ $16, SI
	MOVQ 0(DI), BX
	LEAQ 8(DI), R8
	MOVOU (R8), X9
	PXOR X9, X0
	DECQ BX

chainRound:
	ADDQ $16, R8
	MOVOU (R8), X9
	AESENC X9, X0
	DECQ BX
	JNZ chainRound
	MOVOU 16(R8), X9
	AESENCLAST X9, X0
	DECQ CX
	JNZ chainBlock
	MOVOU X0, (DX)
	RET

// UNFEED xors a block with X, the key stream, in place.
#define UNFEED(AT, X) \
	MOVOU AT(SI), X8; \
	PXOR  X, X8; \
	MOVOU X8, AT(SI)

// func decryptBlocks(keys *schedule, p *byte, eights int, stream *[block]byte)
TEXT ·decryptBlocks(SB), NOSPLIT, $0-32
	MOVQ keys+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ eights+16(FP), CX
	MOVQ stream+24(FP), DX
	MOVOU (DX), X10

decryptEight:
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	MOVQ 0(DI), BX
	LEAQ 8(DI), R8
	MOVOU (R8), X9
	XOR8(X9)
	DECQ BX

decryptRound:
	ADDQ $16, R8
	MOVOU (R8), X9
	ROUND8(X9)
	DECQ BX
	JNZ decryptRound
	MOVOU 16(R8), X9
	LAST8(X9)
	UNFEED(0, X10)
	UNFEED(16, X0)
	UNFEED(32, X1)
	UNFEED(48, X2)
	UNFEED(64, X3)
	UNFEED(80, X4)
	UNFEED(96, X5)
	UNFEED(112, X6)
	MOVOU X7, X10
	ADDQ $128, SI
	DECQ CX
	JNZ decryptEight
	MOVOU X10, (DX)
	RET
