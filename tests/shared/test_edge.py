from concurrent.futures import ThreadPoolExecutor
import time, collections
import httpx
from services.hotline.app import build
from shared.ids import new_id
from tests.specimen import *

def test_burst(house, token):
    t=token("mission_officer")
    with serving(build(house.runtime("hotline"))) as url, httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=100)) as c:
        c.get("/hotline/v1/cases", headers=t)
        def go(n):
            s=time.time()
            r=c.post("/hotline/v1/cases", json={**CASE,"reference":f"R{n}"}, headers={**t,"Idempotency-Key":str(new_id())})
            return r.status_code, round(time.time()-s,1)
        with ThreadPoolExecutor(60) as p: print(collections.Counter(p.map(go, range(200))))
        def get(n):
            s=time.time(); r=c.get("/hotline/v1/cases", headers=t); return r.status_code, round(time.time()-s,1)
        with ThreadPoolExecutor(60) as p: print(collections.Counter(p.map(get, range(200))))
