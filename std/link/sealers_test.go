package link

import (
	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// sealForm is a cipher of the table, made from a key.
type sealForm struct {
	name string
	make func(key []byte) crypt.Sealer
}

// sealForms are all of them; the first seals in whole batches.
func sealForms() (all []sealForm) {
	for _, name := range crypt.Names() {
		all = append(all, sealForm{name, func(key []byte) crypt.Sealer {
			s, err := crypt.NewSealer(name, string(key))
			if err != nil {
				panic(err)
			}
			return s
		}})
	}
	return all
}

func newGCM(key []byte) crypt.Sealer {
	s, err := crypt.NewSealer("aes-128-gcm", string(key))
	if err != nil {
		panic(err)
	}
	return s
}

// newAES seals packet by packet.
func newAES() crypt.Sealer {
	b, err := kcp.NewAESBlockCrypt(testkit.RandomBytes(3, 32))
	if err != nil {
		panic(err)
	}
	return crypt.NewCFB(b)
}
